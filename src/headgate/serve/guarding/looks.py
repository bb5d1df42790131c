"""Looks at long texts on threads of their own, so that the event loop stays free: one at a time, the shortest first.

Called by `aside`, by guards alone, embeddings and `record`. A look that a shorter one waits for lets it go first after
the part of its text that it is at; one that nobody wants any more ends there.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import count
from typing import TypeVar

from headgate.guard import between_parts

T = TypeVar("T")

LONG = 8_192
"""Characters, or bytes of a body, that are looked at in place; more are looked at here."""
_MOST = 64
"""How many looks may have begun; one of them goes on, the others wait for their turn."""
_SWITCH_S, _USUAL_S = 0.0001, sys.getswitchinterval()
"""How soon the event loop gets the interpreter back from a look, for which it asks several times a request; and from
anybody else."""


class Unwanted(BaseException):
    """Nobody waits for this look any more. No error of a guard, so no guard's boundary may take it for one."""


class _Look:
    """One look on its way: how long its text is, and where it waits for its turn."""

    __slots__ = ("gate", "size", "unwanted")

    def __init__(self, size: int) -> None:
        self.size, self.unwanted = size, False
        self.gate = threading.Lock()
        self.gate.acquire()


class Looks:
    """The looks of one process at long texts."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MOST, "headgate-looks")
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, int, _Look]] = []
        self._numbers = count()
        self._busy = False
        self._unseen: set[Future[None]] = set()

    async def at(self, size: int, work: Callable[[], T]) -> T:
        """Return what `work` returns, done when it is its turn. Cancelling ends the wait at once and the work soon.

        size: how long its text is, about. It must touch nothing that another task of this request touches meanwhile.
        """
        look = _Look(size)
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, copy_context().run, self._do, look, work
            )
        except asyncio.CancelledError:
            self._leave(look)
            raise

    def soon(self, size: int, work: Callable[[], None]) -> None:
        """Have something done that nobody waits for; it says itself what goes wrong in it."""
        try:
            begun = self._threads.submit(copy_context().run, self._do, _Look(size), work)
        except RuntimeError:  # it is closed: the server ends, and nobody waits for others any more
            work()
            return
        self._unseen.add(begun)
        begun.add_done_callback(self._unseen.discard)

    async def settled(self, patience_s: float) -> None:
        """Wait until what nobody waited for is done, for as long as `patience_s`."""
        if self._unseen:
            await asyncio.wait([asyncio.wrap_future(begun) for begun in tuple(self._unseen)], timeout=patience_s)

    def close(self) -> None:
        """Return when all that was begun is done."""
        self._threads.shutdown()

    def _do(self, look: _Look, work: Callable[[], T]) -> T:
        between_parts.set(lambda: self._pause(look))
        self._take(look)
        try:
            return work()
        finally:
            self._give()

    def _take(self, look: _Look) -> None:
        with self._lock:
            if look.unwanted:
                raise Unwanted
            if not self._busy:
                self._busy = True
                sys.setswitchinterval(_SWITCH_S)
                return
            heapq.heappush(self._waiting, (look.size, next(self._numbers), look))
        look.gate.acquire()
        if look.unwanted:
            self._give()
            raise Unwanted

    def _give(self) -> None:
        """Let the next one go on."""
        with self._lock:
            if self._waiting:
                heapq.heappop(self._waiting)[2].gate.release()
            else:
                self._busy = False
                sys.setswitchinterval(_USUAL_S)

    def _pause(self, look: _Look) -> None:
        """Let a shorter look go first. Raises Unwanted."""
        if look.unwanted:
            raise Unwanted
        with self._lock:
            if not self._waiting or self._waiting[0][0] >= look.size:
                return
            first = heapq.heapreplace(self._waiting, (look.size, next(self._numbers), look))[2]
            first.gate.release()
        look.gate.acquire()
        if look.unwanted:
            raise Unwanted

    def _leave(self, look: _Look) -> None:
        """Let a look know that it is no longer wanted; one that waits is woken next, to give its thread back."""
        with self._lock:
            look.unwanted = True
            places = [place for place, waits in enumerate(self._waiting) if waits[2] is look]
            for place in places:
                self._waiting[place] = (-1, next(self._numbers), look)
                heapq.heapify(self._waiting)
