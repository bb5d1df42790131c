"""Asking the models: a chain from left to right, one retry each, failing over only before the first text.

Called by `execute` with a plan; yields what the provider yields. Everything a provider may do wrong (raise anything,
hang, stop without an end, send what is no text) becomes one failed attempt. A refusal for content is never taken
elsewhere (P12). Leaving the iterator cancels the call upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from headgate.kernel import HeadgateError, Passage, Unavailable, Usage
from headgate.models import Call, Delta, End, Price, Provider, ProviderError, cost

from .journey import Journey

TRIES = 2
_LONGEST_PAUSE_S = 2.0
_PAUSE_S = 0.05
_CLOSE_S = 1.0


class Unanswered(Unavailable):
    """No target gave a whole answer; `code` is the last one's. Never leaves `execute`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One target of a chain, resolved and priced, with the body that it is sent. most: what one try can cost, nano."""

    target: str
    provider: Provider
    model: str
    price: Price | None
    body: Mapping[str, Any]
    most: int


@dataclass(slots=True)
class Plan:
    """What to ask and whom: targets in order, sources, and `tokens` as estimated for calls that never report."""

    choices: list[Choice]
    passages: tuple[Passage, ...]
    examples: tuple[tuple[str, str], ...]
    tokens: int
    stream: bool
    attempts: list[dict[str, Any]] = field(default_factory=list)


async def generate(journey: Journey, plan: Plan) -> AsyncGenerator[Delta | End, None]:
    """Yield one model's deltas and its end. Raises Unanswered; what was used is booked on the journey either way."""
    last = Unanswered("no model could be asked", code=_last_code(plan))
    for choice in plan.choices:
        for again in range(TRIES):
            attempt = _Attempt(journey, plan, choice)
            try:
                async with aclosing(attempt.events()) as events:
                    async for event in events:
                        yield event
                return
            except ProviderError as problem:
                last = Unanswered(problem.message, code=problem.code)
                attempt.note(problem)
                if attempt.begun or problem.code == "content_filter":
                    raise last from None
                if again or not await _pause(journey, problem):
                    break
    raise last


async def _pause(journey: Journey, problem: ProviderError) -> bool:
    """Wait before the same target is tried again; False when that makes no sense or would take too long."""
    wait = problem.retry_after or _PAUSE_S
    if not problem.retryable or wait > _LONGEST_PAUSE_S:
        return False
    began = journey.micros()
    await asyncio.sleep(wait)
    journey.away_us += journey.micros() - began
    return True


def _last_code(plan: Plan) -> str:
    return str(plan.attempts[-1]["error"]) if plan.attempts else "no_target"


class _Attempt:
    """One call of one target; its usage is booked when it ends, is cut off, or is left."""

    def __init__(self, journey: Journey, plan: Plan, choice: Choice) -> None:
        self.journey, self.plan, self.choice = journey, plan, choice
        self.begun = self.sent = False
        self.usage: Usage | None = None
        self.characters = 0
        self.facts: dict[str, Any] = {"target": choice.target}
        self.start = journey.micros()
        journey.attempts += 1
        plan.attempts.append(self.facts)

    async def events(self) -> AsyncGenerator[Delta | End, None]:
        """Yield text, then exactly one end. Raises ProviderError and nothing else."""
        timeout_s = self.journey.runtime.timeout_s
        plan, choice = self.plan, self.choice
        deadline = asyncio.get_running_loop().time() + timeout_s
        stream: Any = None
        try:
            try:
                call = Call(choice.model, choice.body, plan.passages, plan.examples, plan.stream, timeout_s)
                stream = choice.provider.chat(call)
            except Exception as problem:
                raise _broken(choice.target, problem) from problem
            while True:
                event = await self._next(stream, deadline)
                if isinstance(event, End):
                    self._ended(event)
                    yield event
                    return
                self.begun = True
                self.characters += len(event.text)
                yield event
        finally:
            self._book()
            await _close(stream)

    async def _next(self, stream: Any, deadline: float) -> Delta | End:
        """Wait for the next event; the time counts as the provider's."""
        began = self.journey.micros()
        self.sent = True
        try:
            async with asyncio.timeout_at(deadline):
                event = await anext(stream)
        except StopAsyncIteration:
            raise ProviderError("the answer stopped before its end", code="provider_protocol", retryable=True) from None
        except TimeoutError:
            raise ProviderError(f"{self.choice.target} took too long", code="provider_timeout") from None
        except ProviderError as problem:
            self.sent = problem.code == "provider_timeout"
            raise
        except Exception as problem:
            raise _broken(self.choice.target, problem) from problem
        finally:
            self.journey.away_us += self.journey.micros() - began
        if isinstance(event, End) or (isinstance(event, Delta) and isinstance(event.text, str)):
            return event
        raise ProviderError(f"{self.choice.target} sent what is no text", code="provider_protocol")

    def _ended(self, end: End) -> None:
        self.usage = end.usage
        self.journey.model = self.choice.target
        self.facts |= {"served": end.model, "finish_reason": end.finish_reason}
        if end.fingerprint:
            self.facts["fingerprint"] = end.fingerprint

    def _book(self) -> None:
        """Add what this call used; a call that was cut off is estimated, one that was refused used nothing."""
        if self.usage is None and (self.begun or self.sent):
            self.usage = Usage(self.plan.tokens, -(-self.characters // 4), estimated=True)
        used = self.usage or Usage()
        spent = cost(self.choice.price, used)
        self.journey.usage = self.journey.usage + used
        self.journey.cost_nano += spent
        took = self.journey.micros() - self.start
        self.facts |= {"took_us": took, "tokens": [used.input_tokens, used.output_tokens], "cost_nano": spent}

    def note(self, problem: ProviderError) -> None:
        """Keep what went wrong: our code and the upstream's status, never its words (they may quote the prompt)."""
        self.facts["error"] = problem.code
        if problem.upstream_status:
            self.facts["upstream_status"] = problem.upstream_status


async def _close(stream: Any) -> None:
    """Close a provider's iterator, which cancels the call; one that does not close is left behind."""
    close = getattr(stream, "aclose", None)
    if close is None:
        return
    try:
        async with asyncio.timeout(_CLOSE_S):
            await close()
    except Exception:  # noqa: BLE001  plugin call: the request is over, nothing else can be done
        return


def _broken(target: str, problem: Exception) -> ProviderError:
    code = problem.code if isinstance(problem, HeadgateError) else "provider_broken"
    return ProviderError(f"{target} failed: {type(problem).__name__}", code=code)
