"""A provider's model embeds: what it can cost is reserved, it is asked at most twice, what it used is booked.

Called by `embed`. The same promises as for chats hold: limits cannot be overspent, a target that fails is left alone,
leaving cancels the call. There is no chain: vectors of another model would be of no use to whoever compares them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from headgate.kernel import Exhausted, InvalidInput, Unavailable, Unit
from headgate.models import EmbedCall, Embeds, Price, ProviderError, Vectors, cost
from headgate.serve.asking.carried import carried, check_carried
from headgate.serve.calling.breaker import Outcome
from headgate.serve.calling.retries import LONGEST_PAUSE_S, pause
from headgate.serve.calling.targets import Target, Targets
from headgate.serve.journey import Journey, TurnedAway
from headgate.serve.money.busy import NoLedger
from headgate.serve.money.draw import metered, unreserved

from .texts import Wanted

_TRIES = 2
_HEALTHY = frozenset({"provider_rejected", "provider_rate_limit", "content_filter"})
"""Failures that say nothing against a target's health: it answered, or asked for less."""
_BUSY = frozenset({429, 503, 529})
"""Statuses whose Retry-After speaks for all callers (RFC 9110 10.2.3; 529 is Anthropic's)."""
_STATUS = {
    "provider_rejected": 400,
    "content_filter": 400,
    "provider_rate_limit": 429,
    "rate_limited": 429,
    "provider_timeout": 504,
}


async def drawn(journey: Journey, most: Mapping[Unit, int]) -> None:
    """Reserve the most that embedding can use. Raises TurnedAway."""
    purse, limits = journey.runtime.purse, metered(journey)
    if purse is None or not limits or not any(most.values()):
        return
    with journey.stage("reserve") as facts:
        facts["bound_nano"] = most["cost"]
        try:
            journey.leases.append(await purse.reserve(journey.runtime.project, limits, most))
        except (Exhausted, NoLedger) as problem:
            raise unreserved(problem, facts) from None


async def ask(journey: Journey, wanted: Wanted, target: str) -> Vectors:
    """Let a provider's model embed. Raises InvalidInput, TurnedAway, or Unavailable with why it did not answer."""
    request, runtime = journey.request, journey.runtime
    check_carried(request.body, journey.snapshot.policy)
    provider, model = runtime.providers.resolve(target)
    if not isinstance(provider, Embeds):
        hint = "providers of the type openai do: OpenAI, Azure, and servers that speak its wire"
        raise InvalidInput(f"the provider {provider.name!r} does not embed", hint, code="unsupported")
    price = provider.embed_price(model)
    if price is None and any(limit.unit == "cost" for limit in metered(journey)):
        raise TurnedAway(_unbounded(target))
    most = _Most(-(-wanted.size * (price.most[0] if price else 0) // 1_000_000), wanted.size)
    await drawn(journey, {"cost": most.cost * _TRIES, "tokens": most.tokens * _TRIES})
    state = (runtime.targets or Targets(journey.monotonic)).of(target)
    call = EmbedCall(model, carried(request.body), runtime.timeout_s)
    with journey.stage("embed") as facts:
        facts |= {"texts": wanted.count, "attempts": []}
        caller = _Caller(journey, provider, state, (price, most))
        return await caller.vectors(call, facts["attempts"])


class _Most:
    """What one try can use at most, in nano-dollars and tokens."""

    __slots__ = ("cost", "tokens")

    def __init__(self, cost_nano: int, tokens: int) -> None:
        self.cost, self.tokens = cost_nano, tokens


class _Caller:
    """The tries of one request; each settles its admission, and books what it used or can have used."""

    def __init__(self, journey: Journey, provider: Embeds, state: Target, about: tuple[Price | None, _Most]) -> None:
        self.journey, self.provider, self.state = journey, provider, state
        self.price, self.most = about

    async def vectors(self, call: EmbedCall, attempts: list[dict[str, Any]]) -> Vectors:
        self.state.called()
        for again in range(_TRIES):
            await self._rested(attempts)
            facts: dict[str, Any] = {"target": self.state.name}
            attempts.append(facts)
            try:
                return await self._try(call, facts)
            except ProviderError as problem:
                facts["error"] = problem.code
                if problem.retry_after and problem.upstream_status in _BUSY:
                    self.state.rest(problem.retry_after)
                wait = pause(again, problem.retry_after)
                last = again == _TRIES - 1 or not problem.retryable or (problem.retry_after or 0) > LONGEST_PAUSE_S
                if last or not self.state.may_retry():
                    raise self._unanswered(problem.code) from None
                await asyncio.sleep(wait)
        raise AssertionError("the last try returns or raises")

    async def _rested(self, attempts: list[dict[str, Any]]) -> None:
        """Wait while the provider wants to be left alone, if that is not for long. Raises Unavailable."""
        rest = self.state.resting_s()
        if 0 < rest <= LONGEST_PAUSE_S:
            await asyncio.sleep(rest)
        if why := self.state.blocked():
            attempts.append({"target": self.state.name, "error": why})
            raise self._unanswered(why)

    async def _try(self, call: EmbedCall, facts: dict[str, Any]) -> Vectors:
        admission = self.state.admit()
        if admission is None:
            raise ProviderError(f"{self.state.name} is left alone", code="breaker_open")
        journey, began, outcome, unsure = self.journey, self.journey.micros(), Outcome.LEFT, True
        journey.attempts += 1
        found: Vectors | None = None
        try:
            async with asyncio.timeout(call.timeout_s):
                found = await self.provider.embed(call)
            outcome, unsure = Outcome.OK, found.usage.estimated
            self._book(found, facts)
            return found
        except TimeoutError:
            outcome = Outcome.FAILED
            raise ProviderError(f"{self.state.name} took too long", code="provider_timeout") from None
        except ProviderError as problem:
            outcome = Outcome.OK if problem.code in _HEALTHY else Outcome.FAILED
            unsure = problem.upstream_status is None and problem.reached and problem.code != "provider_auth"
            raise
        except Exception as problem:
            outcome = Outcome.FAILED
            broken = f"{self.state.name} failed: {type(problem).__name__}"
            raise ProviderError(broken, code="provider_broken") from problem
        finally:
            self.state.settle(admission, outcome)
            journey.away_us += journey.micros() - began
            if unsure:
                self._count(found)

    def _book(self, found: Vectors, facts: dict[str, Any]) -> None:
        journey, spent = self.journey, cost(self.price, found.usage)
        journey.usage = journey.usage + found.usage
        journey.cost_nano += spent
        journey.model = self.state.name
        facts |= {"served": found.model, "tokens": [found.usage.input_tokens, 0], "cost_nano": spent}

    def _count(self, found: Vectors | None) -> None:
        """Let limits count the most that a call can have used of which nobody said what it used."""
        used = found.usage.input_tokens if found else 0
        spent = cost(self.price, found.usage) if found else 0
        self.journey.unreported_nano += max(0, self.most.cost - spent)
        self.journey.unreported_tokens += max(0, self.most.tokens - used)

    def _unanswered(self, code: str) -> Unavailable:
        hint = f"the trace {self.journey.request.id} says what happened"
        problem = Unavailable(f"{self.state.name} did not embed: {code}", hint, code=code)
        problem.status = _STATUS.get(code, problem.status)
        return problem


def _unbounded(target: str) -> Exhausted:
    return Exhausted(
        f"{target} has no known price, so a budget cannot be kept",
        "add price: {input: $…, output: $…} to its provider in headgate.yaml",
        code="budget_unbounded",
    )
