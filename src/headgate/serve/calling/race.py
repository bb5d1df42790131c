"""Hedging: when the first target says nothing for a while, the next is asked too, and the first content wins. Called by
`generate`.

Each call runs whole in a task of its own, because a provider's iterator may not be continued in another. The loser is
cancelled at once and what it used is booked before the race ends.
"""

from __future__ import annotations

import asyncio

from headgate.models import Delta, End, ProviderError

from .attempt import Attempt, Hear
from .course import Course

_STOP_S = 2.0

Item = Delta | End | Exception


class Failed(Exception):
    """The last call that was running has failed: which, and how."""

    def __init__(self, attempt: Attempt, problem: ProviderError) -> None:
        super().__init__(problem.message)
        self.attempt, self.problem = attempt, problem


class _Runner:
    """One call in its own task; after each item it waits until the next is wanted."""

    __slots__ = ("attempt", "news", "task", "turn")

    def __init__(self, attempt: Attempt, news: asyncio.Queue[tuple[_Runner, Item]]) -> None:
        attempt.alone = False
        self.attempt, self.news = attempt, news
        self.turn = asyncio.Semaphore(0)
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            self.news.put_nowait((self, await self.attempt.run(self._hear)))
        except Exception as problem:  # noqa: BLE001  handed on to whoever waits
            self.news.put_nowait((self, problem))

    async def _hear(self, delta: Delta) -> None:
        self.news.put_nowait((self, delta))
        await self.turn.acquire()


class Race:
    """The calls of one request that run at the same time; two at most."""

    __slots__ = ("_course", "_news", "_runners")

    def __init__(self, course: Course) -> None:
        self._course = course
        self._news: asyncio.Queue[tuple[_Runner, Item]] = asyncio.Queue()
        self._runners: list[_Runner] = []

    async def run(self, first: Attempt, hedge_s: float, hear: Hear) -> End:
        """Hand on what the winner says. Raises Failed, or Unanswered when nobody else may be asked."""
        try:
            self._start(first)
            winner, item = await self._opening(first, hedge_s)
            for runner in self._runners:
                if runner is not winner:
                    runner.task.cancel()
            if len(self._runners) > 1:
                for runner in self._runners:
                    runner.attempt.facts.setdefault("hedge", "won" if runner is winner else "lost")
            while not isinstance(item, End):
                await hear(item)
                winner.turn.release()
                item = await self._heard(winner)
            return item
        finally:
            await self._stop()

    async def _opening(self, first: Attempt, hedge_s: float) -> tuple[_Runner, Delta | End]:
        """Wait for the first content; the second call starts when the first has been silent for `hedge_s`."""
        try:
            async with asyncio.timeout(hedge_s):
                runner, item = await self._next()
        except TimeoutError:
            if (second := self._course.hedge(first)) is not None:
                self._start(second)
            runner, item = await self._next()
        running = len(self._runners)
        while isinstance(item, Exception):
            running -= 1
            if not isinstance(item, ProviderError):
                raise item
            if not running:
                raise Failed(runner.attempt, item)
            self._course.noted(runner.attempt, item)
            runner, item = await self._next()
        return runner, item

    async def _heard(self, winner: _Runner) -> Delta | End:
        while True:
            runner, item = await self._next()
            if runner is not winner:
                continue
            if isinstance(item, ProviderError):
                raise Failed(winner.attempt, item)
            if isinstance(item, Exception):
                raise item
            return item

    async def _next(self) -> tuple[_Runner, Item]:
        journey = self._course.journey
        began = journey.micros()
        try:
            return await self._news.get()
        finally:
            journey.away_us += journey.micros() - began

    def _start(self, attempt: Attempt) -> None:
        self._runners.append(_Runner(attempt, self._news))

    async def _stop(self) -> None:
        """End every call; one whose task never began, or does not end, has nobody else to finish it."""
        for runner in self._runners:
            runner.task.cancel()
        try:
            if self._runners:
                await asyncio.wait([runner.task for runner in self._runners], timeout=_STOP_S)
        finally:
            for runner in self._runners:
                runner.attempt.finish()
