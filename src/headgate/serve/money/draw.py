"""What one request draws on, reserved: requests and steps when it comes, money and tokens before a model is asked.

Called by `execute` (admit, settle) and `plan` (reserve). Scopes: the caller's key and team, the app, the user and the
session of the app. A request without a user or a session draws on none of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headgate.kernel import Exhausted, Rates, Unit
from headgate.models import bound_tokens
from headgate.serve.calling.attempt import Choice, Plan
from headgate.serve.journey import Journey, TurnedAway
from headgate.store import Limit

_ON_COMING: tuple[Unit, ...] = ("requests", "steps")
_ON_ASKING: tuple[Unit, ...] = ("cost", "tokens")


async def admit(journey: Journey) -> None:
    """Count the request, and its step of a loop, before anything else is done for it. Raises TurnedAway."""
    limits = _limits(journey, _ON_COMING)
    purse = journey.runtime.purse
    if not limits or purse is None:
        return
    amounts: Mapping[Unit, int] = {"requests": 1, "steps": int(is_step(journey.request.messages))}
    with journey.stage("admit") as facts:
        try:
            lease = await purse.reserve(journey.runtime.project, limits, amounts)
        except Exhausted as problem:
            facts["error"] = problem.code
            raise TurnedAway(problem) from None
        lease.settle()
        journey.leases.append(lease)


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
    return _limits(journey, _ON_ASKING)


async def reserve(journey: Journey, plan: Plan, limits: tuple[Limit, ...]) -> None:
    """Reserve what the plan can use at most. Raises TurnedAway."""
    purse = journey.runtime.purse
    if not limits or purse is None:
        return
    amounts = _most(plan.choices, limits)
    if not any(amounts.values()):
        return
    with journey.stage("reserve") as facts:
        facts["bound_nano"] = amounts["cost"]
        try:
            journey.leases.append(await purse.reserve(journey.runtime.project, limits, amounts))
        except Exhausted as problem:
            facts["error"] = problem.code
            raise TurnedAway(problem) from None


def settle(journey: Journey) -> None:
    """Book what the request has used."""
    if journey.leases:
        usage = journey.usage
        used: Mapping[Unit, int] = {
            "cost": journey.cost_nano,
            "tokens": usage.input_tokens + usage.output_tokens,
        }
        for lease in journey.leases:
            lease.settle(used)


def _most(choices: list[Choice], limits: tuple[Limit, ...]) -> dict[Unit, int]:
    cost = sum(choice.link.tries * choice.most for choice in choices)
    tokens = 0
    if any(limit.unit == "tokens" for limit in limits):
        tokens = sum(choice.link.tries * bound_tokens(choice.body) for choice in choices)
    return {"cost": cost, "tokens": tokens}


def _limits(journey: Journey, units: tuple[Unit, ...]) -> tuple[Limit, ...]:
    purse = journey.runtime.purse
    if purse is None:
        return ()
    return tuple(purse.limit(scope, rate) for scope, rates in _scopes(journey) for rate in rates if rate.unit in units)


def _scopes(journey: Journey) -> Iterator[tuple[str, Rates]]:
    request, runtime, snapshot = journey.request, journey.runtime, journey.snapshot
    limits = snapshot.limits
    yield from runtime.key_limits
    yield f"app:{snapshot.app}", limits.app if runtime.app_limits is None else runtime.app_limits
    if limits.user and request.subject:
        yield f"user:{snapshot.app}/{request.subject}", limits.user
    if limits.session and request.session:
        yield f"session:{snapshot.app}/{request.key_id or 'local'}/{request.session}", limits.session
