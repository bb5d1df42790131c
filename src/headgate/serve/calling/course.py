"""The way through a chain for one request: who is asked next, who is passed over and why, when it is over. Called by
`generate` and `race`.

No request asks a target more often than its link's `tries`, hedged calls and probes included: the reservation that
`plan` makes depends on it.
"""

from __future__ import annotations

import asyncio

from headgate.kernel import Unavailable
from headgate.models import ProviderError
from headgate.serve.journey import Journey, TurnedAway

from .attempt import Attempt, Choice, Plan
from .lane import Crowded
from .retries import LONGEST_PAUSE_S, pause

_BUSY = frozenset({None, 429, 503, 529})
"""Statuses whose Retry-After speaks for all callers, not for this call alone (RFC 9110 10.2.3; 529 is Anthropic's)."""


class Unanswered(Unavailable):
    """No target gave a whole answer; `code` is the last one's. Never leaves `execute`."""


class Course:
    """One request's way: `next` until it gives None, `failed` after each call that failed.

    A target that is resting or whose breaker is open is passed over at no cost. If that leaves nobody, the one whose
    breaker opens soonest is probed; a rest that the provider asked for is kept, and waited for when it is short.
    """

    __slots__ = ("_again", "_code", "_crowded", "_index", "_last", "_made", "_passed", "journey", "plan", "until")

    def __init__(self, journey: Journey, plan: Plan) -> None:
        self.journey, self.plan = journey, plan
        self.until = None if plan.total_s is None else asyncio.get_running_loop().time() + plan.total_s
        self._index = 0
        self._again: Choice | None = None
        self._made: dict[str, int] = {}
        self._passed: list[Choice] = []
        self._crowded: Crowded | None = None
        self._last: Unanswered | None = None
        self._code = str(plan.attempts[-1]["error"]) if plan.attempts else "no_target"

    async def next(self) -> Attempt | None:
        """Return the next call to make, its place taken; waits for one where places are limited."""
        if self._again is not None:
            choice, self._again = self._again, None
            if (attempt := await self._enter(choice, again=True)) is not None:
                return attempt
        while self._index < len(self.plan.choices) and not self._late():
            choice = self.plan.choices[self._index]
            self._index += 1
            if (attempt := await self._enter(choice)) is not None:
                return attempt
        return None if self._made or self._late() else await self._least_bad()

    async def failed(self, attempt: Attempt, problem: ProviderError) -> None:
        """Learn from a failure: raises Unanswered when it ends the request, waits when the same target is next."""
        self.noted(attempt, problem)
        choice = attempt.choice
        made = self._made[choice.link.target]
        if not problem.retryable or made >= choice.link.tries:
            return
        wait = pause(made - 1, problem.retry_after)
        if (problem.retry_after or 0.0) > LONGEST_PAUSE_S or self._late(wait) or choice.state.breaker.open:
            return
        if not choice.state.may_retry():
            attempt.facts["retry"] = "budget_exhausted"
            return
        await self._wait(wait)
        self._again = choice

    def noted(self, attempt: Attempt, problem: ProviderError) -> None:
        """Keep a failure as the last one. Raises Unanswered when nobody else may be asked."""
        self._last = Unanswered(problem.message, code=problem.code)
        if problem.retry_after and problem.upstream_status in _BUSY:
            attempt.choice.state.rest(problem.retry_after)
        if attempt.begun or problem.code == "content_filter":
            raise self._last from None

    def hedge(self, first: Attempt) -> Attempt | None:
        """Return a call of the next target that can be asked at once, to run beside the first; None for none."""
        for index in range(self._index, len(self.plan.choices)):
            choice = self.plan.choices[index]
            link, state = choice.link, choice.state
            if link.target == first.choice.link.target or state.blocked():
                continue
            if not first.choice.state.may_retry():
                first.facts["hedge"] = "budget_exhausted"
                return None
            if link.concurrent and not state.lane.slip_in(link.concurrent):
                continue
            self._index = index + 1
            return self._admitted(choice)
        return None

    def over(self) -> Unanswered | TurnedAway:
        """Return what to raise when nobody is left: Crowded, wrapped, if nobody was asked for want of a place."""
        if self._crowded is not None and not self._made:
            return TurnedAway(self._crowded)
        return self._last or Unanswered("no model could be asked", code=self._code)

    async def _enter(self, choice: Choice, again: bool = False) -> Attempt | None:
        link, state = choice.link, choice.state
        if (why := state.blocked()) and not (again and why == "rate_limited"):
            self._pass_over(choice, why)
            return None
        if not link.concurrent or state.lane.slip_in(link.concurrent):
            return self._admitted(choice)
        return await self._queue(choice)

    async def _queue(self, choice: Choice) -> Attempt | None:
        link, lane, journey = choice.link, choice.state.lane, self.journey
        wait_s = link.wait_s
        if self.until is not None:
            wait_s = min(wait_s, max(self.until - asyncio.get_running_loop().time(), 0.0))
        began = journey.micros()
        try:
            await lane.enter(journey.request.key_id or journey.request.subject, link.concurrent, link.queue, wait_s)
        except Crowded as problem:
            self._crowded = problem
            self._pass_over(choice, problem.code, began)
            return None
        finally:
            journey.away_us += journey.micros() - began
        attempt = self._admitted(choice)
        if attempt is not None:
            attempt.facts["queued_ms"] = (journey.micros() - began) / 1000
        return attempt

    def _admitted(self, choice: Choice, *, early: bool = False) -> Attempt | None:
        """Make the call of a target whose place, if places are limited, is already ours."""
        state, target = choice.state, choice.link.target
        admission = state.probe() if early else state.admit()
        if admission is None:
            if choice.link.concurrent:
                state.lane.leave()
            self._pass_over(choice, "breaker_open")
            return None
        made = self._made.get(target, 0)
        self._made[target] = made + 1
        if not made:
            state.called()
        attempt = Attempt(self.journey, self.plan, choice, admission)
        attempt.until = self.until
        return attempt

    def _pass_over(self, choice: Choice, why: str, began: int | None = None) -> None:
        facts: dict[str, object] = {"target": choice.link.target, "error": why}
        if began is not None:
            facts["queued_ms"] = (self.journey.micros() - began) / 1000
        self.plan.attempts.append(facts)
        self._passed.append(choice)
        if not self._made:
            code = "provider_rate_limit" if why == "rate_limited" else why
            self._last = Unanswered(f"{choice.link.target} is not asked now: {why}", code=code)

    async def _least_bad(self) -> Attempt | None:
        """Ask somebody though nobody should be asked: a target that rests only briefly, else an open breaker's."""
        resting = [(choice.state.resting_s(), place) for place, choice in enumerate(self._passed)]
        brief, place = min(((wait, place) for wait, place in resting if wait), default=(0.0, 0))
        if brief and brief <= LONGEST_PAUSE_S and not self._late(brief):
            await self._wait(pause(0, brief))
            return await self._enter(self._passed[place], again=True)
        broken = [choice for choice in self._passed if choice.state.breaker.open and not choice.state.resting_s()]
        for choice in sorted(broken, key=lambda choice: choice.state.hint().open_s):
            link, state = choice.link, choice.state
            if link.concurrent and not state.lane.slip_in(link.concurrent):
                continue
            if (attempt := self._admitted(choice, early=True)) is not None:
                return attempt
        return None

    def _late(self, more: float = 0.0) -> bool:
        return self.until is not None and asyncio.get_running_loop().time() + more >= self.until

    async def _wait(self, seconds: float) -> None:
        began = self.journey.micros()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.journey.away_us += self.journey.micros() - began
