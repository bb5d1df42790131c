"""A time limit that moves later at no cost: one timer, set again only when it goes off too early. Called by `attempt`.

`asyncio.timeout` moved with every piece of a stream would cost two timers a piece. What it promises holds here too: a
cancellation from outside stays one, and only the limit's own becomes TimeoutError.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

_LOOK_S = 3600.0


class Deadline:
    """Cancels the task inside `with` once the loop's clock reaches the moment that `move` sets."""

    __slots__ = ("_armed", "_cancelling", "_expired", "_loop", "_task", "_timer", "_until")

    def __init__(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        self._loop, self._until, self._armed = loop, until, until
        self._expired = False

    def __enter__(self) -> Deadline:
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._timer: asyncio.TimerHandle | None = self._loop.call_at(self._until, self._rang)
        return self

    def move(self, until: float) -> None:
        """Set another moment; inf for none."""
        self._until = until
        if until < self._armed and self._timer is not None:
            self._timer.cancel()
            self._arm()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from problem

    def _arm(self) -> None:
        # Without an end in sight it is enough to look again now and then: the next move comes soon.
        self._armed = min(self._until, self._loop.time() + _LOOK_S)
        self._timer = self._loop.call_at(self._armed, self._rang)

    def _rang(self) -> None:
        if self._loop.time() < self._until:
            self._arm()
            return
        self._timer = None
        self._expired = True
        self._task.cancel()
