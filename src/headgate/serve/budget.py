"""Money reserved before it is spent: slices of the ledger held in memory, so that most requests decide at once.

Called by `execute` (reserve, settle) and closed by whoever built the `Purse`. The ledger in `store` is the truth: what
is held here is reserved there, and what is lost with this process counts as spent until the ledger's lease ends.
One purse belongs to one event loop. It must not touch the database on that loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from headgate.kernel import Clock, Exhausted, HeadgateError, NotFound, day, new_id
from headgate.store import Limit, Records, ledger

LEASE_S = 900.0
"""How long the ledger counts a reservation of a process that died as spent."""
USE_S = 60.0
"""How long a slice is drawn from before it is settled; far below the lease, so that no spending is forgotten."""
FLOOR = 20_000_000
"""Slices below this many nano-dollars ($0.02) are not worth holding: each request goes to the ledger."""
_SHARE = 8
_TRIES = 4

Key = tuple[str, tuple[Limit, ...]]


@dataclass(slots=True, eq=False)
class _Slice:
    """One reservation in the ledger. `free` may go below zero when a provider bills beyond the bound."""

    project: str
    id: str
    free: int
    until: float
    running: int = 0
    spent: int = 0
    retired: bool = False


@dataclass(slots=True)
class Lease:
    """The reserved bound of one request; settle it exactly once, further calls do nothing."""

    purse: Purse
    slice: _Slice
    bound: int
    open: bool = True

    def settle(self, nano: int) -> None:
        """Book what was really spent and give the rest back; never waits."""
        if self.open:
            self.open = False
            self.purse._settled(self.slice, self.bound, nano)


@dataclass(slots=True)
class Purse:
    """Budgets of one process. `workers`: how many processes share the ledger; slices shrink accordingly.

    unsettled: how many reservations could not be settled; they count as spent until their lease ends.
    """

    records: Records
    clock: Clock
    workers: int = 1
    unsettled: int = 0
    _slices: dict[Key, _Slice] = field(default_factory=dict)
    _locks: WeakValueDictionary[Key, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _today: tuple[int, str] = (-1, "")

    def limit(self, scope: str, nano: int) -> Limit:
        """Name a limit for today, in nano-dollars; the scope is `key:<id>` or `app:<name>`."""
        now = self.clock.now()
        number = int(now // 86_400)
        if self._today[0] != number:
            self._today = (number, day(now))
        return Limit(scope, self._today[1], nano)

    async def reserve(self, project: str, limits: tuple[Limit, ...], bound: int) -> Lease:
        """Reserve `bound` nano-dollars under every limit, in memory when a slice holds enough.

        Raises Exhausted naming the limit that is used up.
        """
        key = (project, limits)
        found = self._draw(key, bound)
        if found:
            return found
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            return self._draw(key, bound) or await self._fetch(key, bound)

    async def close(self) -> None:
        """Settle every slice; what is still running is settled when it ends. Call before the loop ends."""
        for key in list(self._slices):
            self._retire(key)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _draw(self, key: Key, bound: int) -> Lease | None:
        found = self._slices.get(key)
        if found is None or found.free < bound or self.clock.monotonic() >= found.until:
            return None
        found.free -= bound
        found.running += 1
        return Lease(self, found, bound)

    async def _fetch(self, key: Key, bound: int) -> Lease:
        """Take a slice or one reservation from the ledger. Whoever leaves while it is fetched leaves nothing behind."""
        self._retire(key)
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        fetching = asyncio.create_task(asyncio.to_thread(self._reserve, key, bound))
        try:
            found = await asyncio.shield(fetching)
        except asyncio.CancelledError:
            self._spawn(self._give_back(fetching))
            raise
        found.running = 1
        if not found.retired:
            self._slices[key] = found
            found.free -= bound
            asyncio.get_running_loop().call_later(USE_S, self._retire, key, found)
        return Lease(self, found, bound)

    def _reserve(self, key: Key, bound: int) -> _Slice:
        """In a thread: reserve a slice when enough remains, else just the bound. Raises Exhausted."""
        amount = self._slice_of(key)
        if amount >= max(FLOOR, bound):
            with suppress(Exhausted):
                return self._taken(key, amount, retired=False)
        return self._taken(key, bound, retired=True)

    def _slice_of(self, key: Key) -> int:
        """Return how much one slice may hold: the share of what remains that leaves enough for everybody else."""
        project, limits = key
        with self.records.read() as tx:
            balances = [ledger.balance(tx, project, limit.scope, limit.window) for limit in limits]
        left = [
            limit.limit_nano - balance.settled - balance.reserved
            for limit, balance in zip(limits, balances, strict=True)
        ]
        return max(min(left), 0) // (_SHARE * self.workers)

    def _taken(self, key: Key, amount: int, *, retired: bool) -> _Slice:
        project, limits = key
        name, now = new_id("rsv"), self.clock.now()
        with self.records.begin() as tx:
            ledger.reserve(tx, project, name, amount, limits, now=now, lease_s=LEASE_S)
        return _Slice(project, name, amount, self.clock.monotonic() + USE_S, retired=retired)

    async def _give_back(self, fetching: asyncio.Task[_Slice]) -> None:
        """Settle what nobody waits for any more."""
        with suppress(HeadgateError):
            await self._settle(await fetching)

    def _retire(self, key: Key, only: _Slice | None = None) -> None:
        """Draw no more from a slice, and settle it once nothing runs on it."""
        found = self._slices.get(key)
        if found is not None and (only is None or found is only):
            del self._slices[key]
            found.retired = True
            if not found.running:
                self._book(found)

    def _settled(self, found: _Slice, bound: int, nano: int) -> None:
        found.running -= 1
        found.spent += nano
        found.free += bound - nano
        if found.retired and not found.running:
            self._book(found)

    def _book(self, found: _Slice) -> None:
        self._spawn(self._settle(found))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, found: _Slice) -> None:
        """Settle in the ledger, with patience: what cannot be settled stays reserved until its lease ends."""
        for attempt in range(_TRIES):
            try:
                return await asyncio.to_thread(self._write, found)
            except NotFound:
                break
            except HeadgateError:
                await asyncio.sleep(0.1 * 2**attempt)
        self.unsettled += 1

    def _write(self, found: _Slice) -> None:
        with self.records.begin() as tx:
            ledger.settle(tx, found.project, found.id, found.spent, now=self.clock.now())
