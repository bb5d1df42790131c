"""From a route to a plan: find sources, fit the context, choose and price targets, reserve the money. Called by
`execute`.

The body that a model is sent is made here: messages from the release's prompt and the conversation, the client's fields
as `carried` lets them pass, and over them the parameters that the prompt pins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from headgate.kernel import Exhausted, HeadgateError, Passage
from headgate.models import Price, Provider, Reach, dearest, lacking, output_limit, reach_of

from .asking.carried import carried
from .asking.context import Fitted, fit, in_context
from .asking.prompt import Prompt
from .calling.attempt import Choice, Plan
from .calling.chain import Chain, Link
from .calling.targets import Targets
from .guarding.looks import LONG
from .journey import Journey, TurnedAway
from .money.draw import metered, reserve
from .route import Destination
from .snapshot import frozen

_LIMITS = ("max_tokens", "max_completion_tokens")
_Bounded = tuple[Mapping[str, Any], int, int, Reach | None]
"""A body, the most that one call with it can cost in nano-dollars and use in tokens, and how far it reaches."""
_SMALL_CORPUS = 2_000
_LEAST_OUTPUT = 16


async def gather(journey: Journey, to: Destination) -> tuple[Passage, ...]:
    """Return the passages that bear on the question; a large corpus, or for a long question, off the event loop."""
    if to.retriever is None:
        return ()
    question = in_context(journey.request.messages)
    with journey.stage("retrieve") as facts:
        facts["retrieval"] = to.retrieval
        if len(to.retriever) > _SMALL_CORPUS or journey.request.size > LONG:
            found = await asyncio.to_thread(to.retriever.search, question)
        else:
            found = to.retriever.search(question)
        facts["sources"] = frozen(found)
    return found


async def prepare(journey: Journey, to: Destination, prompt: Prompt, found: tuple[Passage, ...]) -> Plan:
    """Fit the context, price the chain and reserve what it can cost at most. Raises TurnedAway with Exhausted."""
    fitted = _fit(journey, prompt, found)
    journey.passages = fitted.passages
    body = _body(journey, prompt, fitted)
    chain = to.chain
    plan = Plan([], fitted.passages, prompt.examples, fitted.tokens, False, chain.total_s, chain.hedge_s)
    limits = metered(journey)
    units = {limit.unit for limit in limits}
    capped = "cost" in units
    per_request = journey.snapshot.contract.per_request
    reach = reach_of(body) if units or per_request is not None else None
    asked = _Asked(body, reach, "tokens" in units, capped or per_request is not None)
    targets = journey.runtime.targets or Targets(journey.monotonic)
    for link in _ordered(journey, chain):
        _choose(journey, plan, link, (asked, targets))
    if not plan.choices and limits and plan.attempts[-1]["error"] == "budget_unbounded":
        raise TurnedAway(_unbounded(plan.attempts[-1], reach))
    await reserve(journey, plan, limits)
    return plan


def _fit(journey: Journey, prompt: Prompt, found: tuple[Passage, ...]) -> Fitted:
    request = journey.request
    values = {"question": request.question, "label": journey.label}
    if "refusals" in prompt.variables:
        values["refusals"] = journey.snapshot.contract.rules
    with journey.stage("fit") as facts:
        fitted = fit(prompt, request.messages, found, values, journey.snapshot.context_tokens)
        facts["prompt"] = prompt.path
        facts["tokens"] = fitted.tokens
        if fitted.dropped_turns or fitted.dropped_passages:
            facts["dropped"] = {"turns": fitted.dropped_turns, "sources": fitted.dropped_passages}
    return fitted


def _body(journey: Journey, prompt: Prompt, fitted: Fitted) -> dict[str, Any]:
    given = journey.request.body
    body = {"messages": fitted.messages, **carried(given), **prompt.parameters}
    most = 0
    for source in (given, prompt.parameters):
        for key in _LIMITS:
            limit = source.get(key)
            if type(limit) is int and limit > 0:
                most = min(most or limit, limit)
    if most:
        body.pop("max_completion_tokens", None)
        body["max_tokens"] = most
    return body


def _ordered(journey: Journey, chain: Chain) -> tuple[Link, ...]:
    """Return the chain's links; equal ones by the session, so that it stays where it is, else by the request."""
    if chain.plain is not None:
        return chain.plain
    request = journey.request
    alone = request.id if journey.runtime.source == "live" else request.question
    return chain.order(request.session or alone)


class _Asked(Struct, frozen=True, gc=False):
    """What every target of a plan is asked. reach: how far one call can go; None where no limit asks.

    counted: whether a limit counts tokens. priced: whether it must be known what a call costs.
    """

    body: Mapping[str, Any]
    reach: Reach | None
    counted: bool
    priced: bool


def _choose(journey: Journey, plan: Plan, link: Link, about: tuple[_Asked, Targets]) -> None:
    """Add a target to the plan, or note why it can not be asked."""
    target, (asked, targets) = link.target, about
    try:
        provider, model = journey.runtime.providers.resolve(target)
        price = journey.snapshot.prices.get(target) or provider.price(model)
        pinned = journey.snapshot.facts.get(target)
        if pinned is not None and not journey.runtime.providers.keeps(target, pinned):
            plan.attempts.append({"target": target, "error": "less_strict"})
            return
    except Exception as problem:  # noqa: BLE001  plugin call: a provider that cannot be built is one failed attempt
        code = problem.code if isinstance(problem, HeadgateError) else "provider_broken"
        plan.attempts.append({"target": target, "error": code})
        return
    bounded: _Bounded = (asked.body, 0, 0, None)
    if asked.reach is not None:
        found = _bounded(journey, asked, (provider, price), asked.reach)
        if isinstance(found, dict):
            plan.attempts.append({"target": target, **found})
            return
        bounded = found
    plan.choices.append(Choice(link, targets.of(target), provider, model, price, *bounded))


def _bounded(
    journey: Journey, asked: _Asked, about: tuple[Provider, Price | None], reach: Reach
) -> _Bounded | dict[str, Any]:
    """Return the body, clamped if it must be, with what it can use at most; or why it can not be asked."""
    provider, price = about
    if beside := getattr(provider, "defaults", None):
        reach = reach_of({**beside, **asked.body})
    most, tokens = 0, reach.tokens(price.context if price else None) if asked.counted else 0
    if asked.priced:
        lacks = "price" if price is None else lacking(price, reach)
        if price is None or lacks:
            return {"error": "budget_unbounded", "lacks": lacks}
        most = dearest(price, reach)
    if tokens is None:
        return {"error": "budget_unbounded", "lacks": "context"}
    per_request, body = journey.snapshot.contract.per_request, asked.body
    if price is not None and per_request is not None and most > per_request:
        less = _less(price, reach, most - per_request)
        limit = output_limit(body) - less
        if not less or limit < _LEAST_OUTPUT:
            return {"error": "cost_per_request"}
        body, most, reach = {**body, "max_tokens": limit}, per_request, reach.shorter(less)
        tokens = max(0, tokens - less * reach.choices)
    return body, most, tokens, reach


def _less(price: Price, reach: Reach, over: int) -> int:
    """Return by how many tokens to shorten an answer so that one call costs `over` nano-dollars less; 0 if by none."""
    a_token = price.most[1] * reach.choices
    return -(-over * 1_000_000 // a_token) + 1 if a_token > 0 else 0


_LACKS = {
    "price": ("has no known price", "add price: {input: $…, output: $…} to its provider in headgate.yaml"),
    "context": (
        "would be sent {what}, whose tokens nobody can count before",
        "send text, pictures, WAV or MP3, or write context: … (the most tokens that the model takes) beside its price",
    ),
    "audio_input": ("has no known price for audio that it is sent", "write audio_input: $… beside its price"),
    "audio_output": ("has no known price for audio that it answers in", "write audio_output: $… beside its price"),
    "image_output": ("has no known price for pictures that it answers in", "write image_output: $… beside its price"),
}


def _unbounded(attempt: Mapping[str, Any], reach: Reach | None) -> Exhausted:
    other = ("would answer in {lacks}, which has no price", "leave it out of modalities")
    why, hint = _LACKS.get(attempt["lacks"], other)
    what = reach.whole if reach and reach.whole else "files"
    told = why.format(what=what, lacks=attempt["lacks"])
    return Exhausted(f"{attempt['target']} {told}, so a budget cannot be kept", hint, code="budget_unbounded")
