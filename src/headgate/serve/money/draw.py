"""What one request draws on, reserved: requests and steps when it comes, money and tokens before a model is asked.

Called by `execute` (admit, settle), `plan` (reserve) and checks by guards alone (count, settle). Scopes: the caller's
key and team, the app, the user and the session of the app. A request without a user or a session draws on none of
these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from headgate.kernel import Exhausted, Scoped, Unit
from headgate.models import dearest, output_limit
from headgate.serve.budget import Purse
from headgate.serve.calling.attempt import Choice, Plan
from headgate.serve.journey import Journey, TurnedAway
from headgate.store import Limit, Spent

from .busy import NoLedger
from .loops import repeated_call

_LEAST_OUTPUT = 64
"""An answer is not cut to fewer tokens than this to fit what is left of a limit: then it is refused."""


async def admit(journey: Journey) -> None:
    """Count the request, and its step of a loop, before anything else is done for it. Raises TurnedAway."""
    purse = journey.runtime.purse
    if purse is None:
        return
    _stop_loop(journey, purse)
    await count(journey, steps=int(is_step(journey.request.messages)))


async def count(journey: Journey, steps: int = 0) -> None:
    """Count the request and its steps. Raises TurnedAway."""
    purse = journey.runtime.purse
    if purse is None:
        return
    limits = purse.on_coming(_scopes(journey))
    if not limits:
        return
    amounts: Mapping[Unit, int] = {"requests": 1, "steps": steps}
    with journey.stage("admit") as facts:
        try:
            lease = await purse.reserve(journey.runtime.project, limits, amounts)
        except (Exhausted, NoLedger) as problem:
            raise unreserved(problem, facts) from None
        lease.settle()
        journey.leases.append(lease)


def unreserved(problem: Exhausted | NoLedger, facts: dict[str, Any]) -> TurnedAway:
    """Note in a stage why nothing could be reserved; return what ends the request."""
    facts |= {"error": problem.code, "said": problem.message}
    return TurnedAway(problem)


def _stop_loop(journey: Journey, purse: Purse) -> None:
    """Refuse what goes round in circles and costs more each time. Raises TurnedAway."""
    most, request = journey.snapshot.limits.loops, journey.request
    if not most:
        return
    tool, times = repeated_call(request.messages) if len(request.messages) > most else ("", 0)
    if times <= most and request.session and not is_step(request.messages):
        times, tool = purse.loops.again(_session(journey), request.messages, journey.started), ""
    if times <= most:
        return
    what = f"{tool} with the same arguments" if tool else "the same question"
    with journey.stage("loop") as facts:
        facts |= {"what": "tool" if tool else "question", "times": times, "threshold": most, "error": "loop_stopped"}
    problem = Exhausted(
        f"this looks like a loop that runs away: {what}, {times} times in a row",
        f"change what is asked; the contract's `limits: {{loops: …}}` says how often is too often, now {most}",
        code="loop_stopped",
    )
    raise TurnedAway(problem)


def is_step(messages: list[dict[str, Any]]) -> bool:
    """Whether a conversation goes on by itself: its last message is what a tool said, not what somebody asked."""
    last = messages[-1] if messages else {}
    if not isinstance(last, dict):
        return False
    content = last.get("content")
    parts = content if isinstance(content, list) else ()
    return last.get("role") in ("tool", "function") or any(
        isinstance(part, dict) and part.get("type") == "tool_result" for part in parts
    )


def metered(journey: Journey) -> tuple[Limit, ...]:
    """Return the limits of money and tokens that asking a model draws on."""
    purse = journey.runtime.purse
    return () if purse is None else purse.on_asking(_scopes(journey))


async def reserve(journey: Journey, plan: Plan, limits: tuple[Limit, ...]) -> None:
    """Reserve what the plan can use at most. Raises TurnedAway."""
    purse = journey.runtime.purse
    if not limits or purse is None:
        return
    amounts = _most(plan.choices)
    if not amounts["cost"] and not amounts["tokens"]:
        return
    with journey.stage("reserve") as facts:
        facts["bound_nano"] = amounts["cost"]
        try:
            try:
                lease = await purse.reserve(journey.runtime.project, limits, amounts)
            except Spent as problem:
                if not _shorter(plan, problem):
                    raise
                amounts = _most(plan.choices)
                facts |= {"bound_nano": amounts["cost"], "clamped": output_limit(plan.choices[0].body)}
                lease = await purse.reserve(journey.runtime.project, limits, amounts)
        except (Exhausted, NoLedger) as problem:
            raise unreserved(problem, facts) from None
        journey.leases.append(lease)


def _shorter(plan: Plan, problem: Spent) -> bool:
    """Clamp the output of every call so that all of them fit into what is left; False when too little would come."""
    standing = problem.standing
    over = problem.asked - standing.left
    if problem.code == "budget_frozen" or not standing.left:
        return False
    calls = sum(choice.link.tries for choice in plan.choices)
    if standing.unit == "tokens":
        less = -(-over // calls)
    else:
        per_million = sum(choice.link.tries * choice.price.most[1] for choice in plan.choices if choice.price)
        if not per_million:
            return False
        less = -(-(over + calls) * 1_000_000 // per_million)
    limits = [output_limit(choice.body) for choice in plan.choices]
    if any(limit - less < min(_LEAST_OUTPUT, limit) for limit in limits):
        return False
    for index, choice in enumerate(plan.choices):
        body = {**choice.body, "max_tokens": limits[index] - less}
        assert choice.reach is not None
        reach = choice.reach.shorter(less)
        most = dearest(choice.price, reach) if choice.price and choice.most else 0
        tokens = max(0, choice.tokens - less * reach.choices)
        plan.choices[index] = replace(choice, body=body, most=most, tokens=tokens, reach=reach)
    return True


def settle(journey: Journey) -> None:
    """Book what the request has used; what nobody reported counts as the most that it can have been."""
    if journey.leases:
        usage = journey.usage
        used: Mapping[Unit, int] = {
            "cost": journey.cost_nano + journey.unreported_nano,
            "tokens": usage.input_tokens + usage.output_tokens + journey.unreported_tokens,
        }
        for lease in journey.leases:
            lease.settle(used)


def _most(choices: list[Choice]) -> dict[Unit, int]:
    cost = tokens = 0
    for choice in choices:
        cost += choice.link.tries * choice.most
        tokens += choice.link.tries * choice.tokens
    return {"cost": cost, "tokens": tokens}


def _scopes(journey: Journey) -> Scoped:
    request, runtime, snapshot = journey.request, journey.runtime, journey.snapshot
    limits = snapshot.limits
    own = limits.app if runtime.app_limits is None else runtime.app_limits
    found: Scoped = (*runtime.key_limits, (f"app:{snapshot.app}", own))
    if limits.user and request.subject:
        found += ((f"user:{snapshot.app}/{request.subject}", limits.user),)
    if limits.session and request.session:
        found += ((_session(journey), limits.session),)
    return found


def _session(journey: Journey) -> str:
    """Name the scope of a session: what clients call it is theirs alone, so the key is part of it."""
    return f"session:{journey.snapshot.app}/{journey.request.key_id or 'local'}/{journey.request.session}"
