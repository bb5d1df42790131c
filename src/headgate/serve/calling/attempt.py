"""One call of one target: its deadlines, its usage, what is noted of it. Called by `generate` and `race`.

Whatever a provider may do wrong (raise anything, hang, stop without an end, send what is no text) becomes one
ProviderError. Cancelling the task cancels the call upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeGuard

from msgspec import Struct

from headgate.kernel import HeadgateError, Passage, Usage
from headgate.measure import find_pii, find_secrets, mask
from headgate.models import Call, Delta, End, Price, Provider, ProviderError, Reach, cost, joined
from headgate.serve.journey import Journey

from .breaker import Admission, Outcome
from .chain import Link
from .deadline import Deadline
from .targets import Target

_CLOSE_S = 1.0
_NEVER = float("inf")
Hear = Callable[[Delta], Awaitable[None]]
"""Takes what a model says while it says it."""
Come = Callable[[], Awaitable[Sequence[Delta | End]]]
_UNPAID = frozenset({"provider_rejected", "provider_auth", "provider_rate_limit"})
"""Failures that cost nothing: the call was refused, or never made."""
_HEALTHY = frozenset({"content_filter", "provider_rejected", "provider_rate_limit"})
"""Failures that say nothing against a target's health: it answered, or asked for less."""


class Choice(Struct, frozen=True, gc=False):
    """One target of a chain, resolved and priced, with the body that it is sent. most: what one try can cost, nano.

    tokens: what one try can use at most, given and got; 0 where nothing counts them. reach: what both come from; None
    where no limit asks.
    """

    link: Link
    state: Target
    provider: Provider
    model: str
    price: Price | None
    body: Mapping[str, Any]
    most: int
    tokens: int = 0
    reach: Reach | None = None


class Plan(Struct, eq=False):
    """What to ask and whom: targets in order, sources, and `tokens` as estimated for calls that never report.

    total_s: how long all of it may take. hedge_s: how long the first target may be silent before the next is asked.
    """

    choices: list[Choice]
    passages: tuple[Passage, ...]
    examples: tuple[tuple[str, str], ...]
    tokens: int
    stream: bool
    total_s: float | None = None
    hedge_s: float | None = None
    attempts: list[dict[str, Any]] = []


class Attempt:
    """One call that was let pass; its usage is booked and its place given back when it ends, is cut off, or is left.

    hurried: others before it have left it less than half its time, so running out of it is no fault of the target.
    alone: its waiting is the request's waiting; whoever runs two at once keeps that account itself.
    """

    __slots__ = (
        "admission", "alone", "begun", "characters", "choice", "facts", "finished", "hurried", "journey", "outcome",
        "plan", "reported", "sent", "start", "unsure", "until", "usage",
    )  # fmt: skip

    def __init__(self, journey: Journey, plan: Plan, choice: Choice, admission: Admission) -> None:
        self.journey, self.plan, self.choice, self.admission = journey, plan, choice, admission
        self.begun = self.sent = self.unsure = self.finished = self.hurried = False
        self.alone = True
        self.usage: Usage | None = None
        self.reported: Any = None
        self.characters = 0
        self.outcome = Outcome.LEFT
        self.until: float | None = None
        self.facts: dict[str, Any] = {"target": choice.link.target}
        if admission == "probe":
            self.facts["probe"] = True
        self.start = journey.micros()
        journey.attempts += 1
        plan.attempts.append(self.facts)

    async def run(self, hear: Hear) -> End:
        """Make the call: hand on its deltas, return its end. Raises ProviderError, and whatever `hear` raises."""
        plan, link = self.plan, self.choice.link
        loop = asyncio.get_running_loop()
        began = loop.time()
        total_s = link.total_s or self.journey.runtime.timeout_s
        deadline = began + total_s
        if self.until is not None and self.until < deadline:
            deadline = self.until
            self.hurried = deadline - began < total_s / 2
        first_s, idle_s = (link.first_token_s, link.idle_s) if plan.stream else (None, None)
        stream = come = end = None
        try:
            stream = self._called(deadline - began)
            come = getattr(stream, "together", None)
            with Deadline(loop, deadline if first_s is None else min(deadline, began + first_s)) as limit:
                while end is None:
                    for event in await self._next(stream, come):
                        if isinstance(event, End):
                            end = event
                            break
                        self.begun = self.begun or bool(event.text or event.reasoning)
                        self.characters += len(event.text) + len(event.reasoning)
                        limit.move(_NEVER)  # whoever hears it may be slow: that is no fault of the target
                        await hear(event)
                        limit.move(deadline if idle_s is None else min(deadline, loop.time() + idle_s))
            self._ended(end)
            return end
        except TimeoutError:
            raise self._noted(ProviderError(f"{link.target} took too long", code="provider_timeout")) from None
        except ProviderError as problem:
            raise self._noted(problem) from None
        finally:
            self.finish()
            if end is None or come is None:
                await _close(stream)

    def finish(self) -> None:
        """Book what was used, tell the target how it went, give the place back; a second call does nothing."""
        if self.finished:
            return
        self.finished = True
        try:
            self._book()
        finally:
            self.choice.state.settle(self.admission, self.outcome)
            if self.choice.link.concurrent:
                self.choice.state.lane.leave()

    def _called(self, timeout_s: float) -> Any:
        plan, choice = self.plan, self.choice
        try:
            call = Call(choice.model, choice.body, plan.passages, plan.examples, plan.stream, timeout_s)
            return choice.provider.chat(call)
        except Exception as problem:
            raise _broken(choice.link.target, problem) from problem

    async def _next(self, stream: Any, come: Come | None) -> Sequence[Delta | End]:
        """Wait for the next event, and take all that come with it; the time counts as the provider's."""
        target = self.choice.link.target
        began = self.journey.micros()
        self.sent = self.unsure = True
        try:
            events = [await anext(stream)] if come is None else await come()
        except StopAsyncIteration:
            raise ProviderError("the answer stopped before its end", code="provider_protocol", retryable=True) from None
        except ProviderError as problem:
            self.sent = problem.code == "provider_timeout"
            self.unsure = problem.upstream_status is None and problem.reached and problem.code not in _UNPAID
            raise
        except Exception as problem:
            raise _broken(target, problem) from problem
        finally:
            if self.alone:
                self.journey.away_us += self.journey.micros() - began
        for event in events:
            if not isinstance(event, End) and not _is_delta(event):
                raise ProviderError(f"{target} sent what is no text", code="provider_protocol")
        few = len(events) == 1 or (len(events) == 2 and isinstance(events[1], End))
        return events if few else joined(events)

    def _ended(self, end: End) -> None:
        self.usage, self.reported = end.usage, end.extra.get("usage")
        self.outcome = Outcome.OK
        self.journey.model = self.choice.link.target
        self.facts |= {"served": end.model, "finish_reason": end.finish_reason}
        if end.fingerprint:
            self.facts["fingerprint"] = end.fingerprint

    def _book(self) -> None:
        """Add what this call used; a call that was cut off is estimated, one that was refused used nothing."""
        if self.usage is None and (self.begun or self.sent):
            self.usage = Usage(self.plan.tokens, -(-self.characters // 4), estimated=True)
        used = self.usage or Usage()
        spent = cost(self.choice.price, used, self.reported)
        self.journey.usage = self.journey.usage + used
        self.journey.cost_nano += spent
        took = self.journey.micros() - self.start
        self.facts |= {"took_us": took, "tokens": [used.input_tokens, used.output_tokens], "cost_nano": spent}
        if self.unsure and (self.usage is None or self.usage.estimated):
            self._count(used, spent)

    def _count(self, used: Usage, spent: int) -> None:
        """Let limits count the most that a call can have used of which nobody said what it used."""
        journey, choice = self.journey, self.choice
        journey.unreported_nano += max(0, choice.most - spent)
        journey.unreported_tokens += max(0, choice.tokens - used.input_tokens - used.output_tokens)

    def _noted(self, problem: ProviderError) -> ProviderError:
        """Keep what went wrong: our code and the upstream's status. Its words, which may quote the prompt, are kept
        only of a call that it did not understand, freed of what is private: nothing else says what was wrong."""
        if not (self.hurried and problem.code == "provider_timeout"):
            self.outcome = Outcome.OK if problem.code in _HEALTHY else Outcome.FAILED
        self.facts["error"] = problem.code
        if problem.upstream_status:
            self.facts["upstream_status"] = problem.upstream_status
        if problem.code == "provider_rejected":
            self.facts["said"] = mask(problem.message, [*find_secrets(problem.message), *find_pii(problem.message)])
        return problem


def _is_delta(event: object) -> TypeGuard[Delta]:
    return isinstance(event, Delta) and isinstance(event.text, str) and isinstance(event.reasoning, str)


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
