"""The one execution path: every answer of a release, live, tested or replayed, streamed or not, is made here.

    input guards → contract → route → human hold → retrieve → fit → reserve → generate → verify → output guards
    → settle → record

Called by the gateway and by evaluation. It knows no web framework and no database; what it needs is in memory or
handed in by `Runtime`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from headgate.guard import Nested
from headgate.kernel import Answer, InvalidInput, Request, Say

from .asking.carried import check_carried, readable
from .asking.context import in_context
from .budget import Lease
from .contract import check_body
from .guarding.aside import aside
from .journey import Journey, TurnedAway, Unheard
from .money.draw import admit, settle
from .plan import gather, prepare
from .record import record
from .route import destination
from .runtime import Runtime
from .snapshot import Snapshot
from .telling.speak import speak
from .telling.verify import must_hold

_CLIENT_LEFT = 499


async def execute(
    snapshot: Snapshot, request: Request, runtime: Runtime, say: Say | None = None, leases: list[Lease] | None = None
) -> Answer:
    """Answer one request; its text is exactly what was released, and `say` has heard every piece of it.

    Raises InvalidInput for a body that is no conversation, or asks for what the policy does not accept, and Exhausted
    for a used-up budget, both before anything is said; also whatever `say` raises. Whatever else goes wrong is an
    answer: the safe template, status `error`. Cancel the task when the client leaves: the call upstream is cancelled,
    what it used is settled, and the leaving is recorded.
    leases: where what is reserved is noted, for whoever tells the client what is left of its limits.
    """
    journey = Journey(snapshot, request, runtime, say)
    if leases is not None:
        journey.leases = leases
    try:
        await _safely(journey)
    except TurnedAway as turned:
        journey.end("error", turned.problem.code, "error")
        record(journey, _settled(journey), http_status=turned.problem.status)
        raise turned.problem from None
    except (Unheard, asyncio.CancelledError) as problem:
        journey.end("error", "client_left", "error")
        record(journey, _settled(journey), http_status=_CLIENT_LEFT)
        if isinstance(problem, Unheard) and problem.__cause__ is not None:
            raise problem.__cause__ from None
        raise
    answer = _settled(journey)
    record(journey, answer)
    return answer


def _settled(journey: Journey) -> Answer:
    """Book what was spent and return the answer."""
    settle(journey)
    return journey.answer()


async def _safely(journey: Journey) -> None:
    """The boundary of a request: whatever breaks becomes the safe template, or the end of a text already begun."""
    try:
        await _way(journey)
        return
    except (TurnedAway, Unheard):
        raise
    except Exception as problem:  # noqa: BLE001  the boundary of a request
        journey.end("error", f"internal: {type(problem).__name__}", "error")
    if not journey.released:
        await journey.tell(journey.snapshot.fallback)


async def _way(journey: Journey) -> None:
    """Go through the stages; each either ends the request with a reply or lets it pass to the next."""
    request = journey.request
    try:
        check_body(request.body)
        check_carried(request.body, journey.snapshot.policy)
    except InvalidInput as problem:
        raise TurnedAway(problem) from None
    await admit(journey)
    reply = await aside(journey.snapshot.policy.input, (request.size, journey.runtime.looks), _decide, journey)
    to = journey.destination
    if reply is None and to is not None and to.reply is not None:
        reply = await _hold(journey, to.reply)
    if reply is not None or to is None or to.prompt is None:
        await journey.tell(reply or journey.snapshot.fallback)
        return
    if (journey.request.body.get("n") or 1) != 1 and must_hold(journey):
        raise TurnedAway(InvalidInput("an app whose answers are verified gives one answer", "leave n out or send 1"))
    try:
        found = await gather(journey, to)
    except Exception:  # noqa: BLE001  plugin call: without its sources the app cannot answer
        journey.end("safe", "retrieval_failed")
        await journey.tell(journey.snapshot.fallback)
        return
    await speak(journey, await prepare(journey, to, to.prompt, found))


def _decide(journey: Journey) -> str | None:
    """Let the guards look, then the router; return the reply that ends the request here."""
    reply = _admit(journey)
    return _route(journey) if reply is None else reply


def _admit(journey: Journey) -> str | None:
    """Let the input guards look at everything the client sent, then the contract; return the reply that ends it here.

    What a guard masks is masked before anything else sees or stores it.
    """
    request, snapshot = journey.request, journey.snapshot
    with journey.stage("guard_input") as facts:
        nested = Nested(snapshot.policy.input, "input")
        changed = _inspected(nested, request)
        journey.verdicts = tuple(nested.verdicts.values())
        facts["verdicts"] = {name: verdict.verdict for name, verdict in nested.verdicts.items()}
        if changed and nested.blocked is None:
            journey.request = replace(request, body={**request.body, **changed})
    stopped = nested.blocked
    if stopped is not None and stopped.blocked is not None:
        journey.end("blocked", stopped.blocked.guard, "content_filter")
        return snapshot.replies.get(stopped.reply or "", snapshot.fallback)
    journey.masked = True
    return _promised(journey)


def _inspected(nested: Nested, request: Request) -> dict[str, Any]:
    """Let guards look at everything in a body that a model may read; return the fields in which something was masked.

    The newest message is looked at first: it is the likeliest to be stopped.
    """
    changed: dict[str, Any] = {}
    messages = request.messages
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        content = message.get("content")
        plain = isinstance(content, str) and len(message) == 2
        passed = nested.look(content if plain else message)
        if nested.blocked is not None:
            return {}
        if passed is not (content if plain else message):
            changed.setdefault("messages", list(messages))[index] = {**message, "content": passed} if plain else passed
    for key, value in readable(request.body).items():
        if (passed := nested.look(value)) is not value:
            changed[key] = passed
    return changed


def _promised(journey: Journey) -> str | None:
    """Check the request against the contract: its input schema and what the app does not do."""
    snapshot = journey.snapshot
    contract = snapshot.contract
    if contract.input is None and not contract.refusals:
        return None
    question = journey.request.question
    with journey.stage("contract") as facts:
        if contract.input is not None and (problem := contract.input(question)):
            facts["input"] = problem
            journey.end("refused", f"contract_input: the input {problem}")
            return snapshot.fallback
        refusal = contract.refused(question)
        if refusal is None:
            return None
        facts["rule"] = refusal.rule
        journey.end("refused", f"contract: {refusal.rule}")
        return refusal.reply or snapshot.fallback


def _route(journey: Journey) -> str | None:
    """Let the router decide; one that fails leads to the safe template, never to a guess."""
    snapshot, label = journey.snapshot, ""
    with journey.stage("route") as facts:
        if snapshot.router is not None:
            try:
                question = in_context(journey.request.messages)
                decision = snapshot.router.decide(question, journey.request.body.get("metadata"))
            except Exception as problem:  # noqa: BLE001  plugin call
                facts["error"] = type(problem).__name__
                journey.end("safe", "route_failed")
                return snapshot.fallback
            label = decision.label
            facts |= {"model": snapshot.router.path, "label": label, "confidence": round(decision.confidence, 4)}
        journey.label = label
        journey.destination = destination(snapshot.routes, label)
        facts["route"] = journey.destination.name if journey.destination else ""
    if journey.destination is None:
        journey.end("safe", "no_route")
        return snapshot.fallback
    return None


async def _hold(journey: Journey, reply: str) -> str:
    """Queue the (masked) request for a human; the asker gets the template at once (decision 19)."""
    journey.end("held")
    hold = journey.runtime.hold
    if hold is None:
        return reply
    with journey.stage("hold") as facts:
        try:
            journey.review_id = await hold(journey.request, replace(journey.answer(), text=reply))
            facts["review"] = journey.review_id
        except Exception as problem:  # noqa: BLE001  nobody would ever look at it: that is an error, not a hold
            facts["error"] = type(problem).__name__
            journey.end("error", "hold_failed")
    return reply
