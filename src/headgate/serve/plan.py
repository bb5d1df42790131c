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
from headgate.models import Price, bound_tokens, dearest, output_limit

from .asking.carried import carried
from .asking.context import Fitted, fit, in_context
from .asking.prompt import Prompt
from .calling.attempt import Choice, Plan
from .calling.chain import Chain, Link
from .calling.targets import Targets
from .journey import Journey, TurnedAway
from .money.draw import metered, reserve
from .route import Destination
from .snapshot import frozen

_LIMITS = ("max_tokens", "max_completion_tokens")
_SMALL_CORPUS = 2_000
_LEAST_OUTPUT = 16


async def gather(journey: Journey, to: Destination) -> tuple[Passage, ...]:
    """Return the passages that bear on the question; a large corpus is searched off the event loop."""
    if to.retriever is None:
        return ()
    question = in_context(journey.request.messages)
    with journey.stage("retrieve") as facts:
        facts["retrieval"] = to.retrieval
        if len(to.retriever) > _SMALL_CORPUS:
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
    most = bound_tokens(body) if units or per_request is not None else (0, 0)
    asked = _Asked(body, most, "tokens" in units, capped or per_request is not None)
    targets = journey.runtime.targets or Targets(journey.monotonic)
    for link in _ordered(journey, chain):
        _choose(journey, plan, link, (asked, targets))
    if not plan.choices and capped and plan.attempts[-1]["error"] == "budget_unbounded":
        raise TurnedAway(_unbounded(plan.attempts[-1]["target"]))
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
    """What every target of a plan is asked. most: the tokens, given and got, that one call of it can use.

    counted: whether a limit counts tokens. priced: whether it must be known what a call costs.
    """

    body: Mapping[str, Any]
    most: tuple[int, int]
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
    body, most, tokens = asked.body, 0, sum(asked.most) if asked.counted else 0
    if asked.priced:
        if price is None:
            plan.attempts.append({"target": target, "error": "budget_unbounded"})
            return
        most = dearest(price, *asked.most)
    per_request = journey.snapshot.contract.per_request
    if price is not None and per_request is not None and most > per_request:
        clamped = _clamped(price, body, most - per_request)
        if clamped is None:
            plan.attempts.append({"target": target, "error": "cost_per_request"})
            return
        body, most = clamped, per_request
        tokens = sum(bound_tokens(body)) if tokens else 0
    plan.choices.append(Choice(link, targets.of(target), provider, model, price, body, most, tokens))


def _clamped(price: Price, body: Mapping[str, Any], over: int) -> Mapping[str, Any] | None:
    """Return the body with its output clamped so that one call costs `over` nano-dollars less; None when it cannot."""
    choices = body.get("n")
    a_token = price.most[1] * (choices if isinstance(choices, int) else 1)
    if a_token <= 0:
        return None
    limit = output_limit(body) - -(-over * 1_000_000 // a_token) - 1
    return {**body, "max_tokens": limit} if limit >= _LEAST_OUTPUT else None


def _unbounded(target: str) -> Exhausted:
    return Exhausted(
        f"{target} has no known price, so a budget cannot be kept",
        "add price: {input: $…, output: $…} to its provider in headgate.yaml",
        code="budget_unbounded",
    )
