"""How many calls of one target run at once, and who waits: a bounded queue that is fair to keys. Called by `targets`.

Keys take turns, and when the queue is full a newcomer takes the place of the last one of the key that waits most, if
its own key waits less. A lane belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from headgate.kernel import Unavailable


class Crowded(Unavailable):
    """A target has no free place; `retry_after` in whole seconds. code: `queue_full` or `queue_timeout`."""

    retry_after: int = 1


@dataclass(slots=True, eq=False)
class _Waiter:
    key: str
    limit: int
    place: asyncio.Future[None] = field(repr=False)
    listed: bool = True


class Lane:
    """The places of one target. Every `enter` or `slip_in` that succeeded must be followed by one `leave`."""

    __slots__ = ("_waiting", "active", "waiting")

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self.active = self.waiting = 0

    def slip_in(self, limit: int) -> bool:
        """Take a place if one is free and nobody waits."""
        if self.active >= limit or self.waiting:
            return False
        self.active += 1
        return True

    async def enter(self, key: str, limit: int, queue: int, wait_s: float) -> None:
        """Take one of `limit` places, waiting up to `wait_s` behind at most `queue` others. Raises Crowded.

        Cancelling the wait gives the place up, also one that was granted at the same moment.
        """
        if self.slip_in(limit):
            return
        if self.waiting >= queue and not self._make_room(key):
            raise _crowded("queue_full", wait_s)
        waiter = _Waiter(key, limit, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, deque()).append(waiter)
        self.waiting += 1
        try:
            async with asyncio.timeout(wait_s):
                await waiter.place
        except TimeoutError:
            self._gave_up(waiter)
            raise _crowded("queue_timeout", wait_s) from None
        except BaseException:
            self._gave_up(waiter)
            raise

    def leave(self) -> None:
        """Give a place back; the key whose turn it is gets it."""
        self.active -= 1
        for _ in range(self.waiting):
            if not self._waiting:
                return
            key, waiters = next(iter(self._waiting.items()))
            self._waiting.move_to_end(key)
            waiter = waiters[0]
            if waiter.place.done():  # cancelled, and not yet told
                self._forget(waiter)
            elif waiter.limit > self.active:
                self._forget(waiter)
                self.active += 1
                waiter.place.set_result(None)
                return

    def _make_room(self, key: str) -> bool:
        """Send the newest waiter of the key that waits most away, if `key` waits less even with one more."""
        most = max(self._waiting.values(), key=len, default=None)
        if most is None or len(self._waiting.get(key, ())) + 1 >= len(most):
            return False
        waiter = most[-1]
        self._forget(waiter)
        if not waiter.place.done():
            waiter.place.set_exception(_crowded("queue_full", 1.0))
        return True

    def _forget(self, waiter: _Waiter) -> None:
        waiters = self._waiting[waiter.key]
        waiters.remove(waiter)
        waiter.listed = False
        self.waiting -= 1
        if not waiters:
            del self._waiting[waiter.key]

    def _gave_up(self, waiter: _Waiter) -> None:
        place = waiter.place
        if waiter.listed:
            self._forget(waiter)
        elif not place.cancelled() and place.exception() is None:
            self.leave()


def _crowded(code: str, wait_s: float) -> Crowded:
    problem = Crowded("too many requests wait for the same model", "try again a little later", code=code)
    problem.retry_after = max(1, math.ceil(wait_s))
    return problem
