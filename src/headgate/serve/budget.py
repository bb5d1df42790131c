"""What may be used, reserved before it is used: slices of the ledger held in memory, so that most requests decide at
once.

Called by `money` (reserve, settle) and closed by whoever built the `Purse`. The ledger in `store` is the truth: what
is held here is reserved there, and what is lost with this process counts as used until the ledger's lease ends.
One purse belongs to one event loop. It must not touch the database on that loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import Struct

from headgate.kernel import (
    Clock,
    HeadgateError,
    Rate,
    Rates,
    Scoped,
    Standing,
    Unavailable,
    Unit,
    Windows,
    new_id,
    window_end,
    windows,
)
from headgate.store import Hold, Limit, Records, Spent, Transaction, ledger

from .money.busy import ASK_S, TURN_S, no_ledger, pause_s, tries
from .money.loops import Loops

LEASE_S = 900.0
"""How long the ledger counts a reservation of a process that died as used."""
USE_S = 60.0
"""How long a slice is drawn from before it is settled; far below the lease, so that nothing used is forgotten."""
FLOOR: Mapping[Unit, int] = {"cost": 20_000_000, "tokens": 10_000, "requests": 2, "steps": 2}
"""Slices below this ($0.02, say) are not worth holding: each request goes to the ledger."""
_SHARE = 8
_TOLD = ("requests", "tokens")
_ON_COMING = ("requests", "steps")
"""What a request draws on when it comes; on the rest when a model is asked."""
_MOST_NAMED = 10_000

Key = tuple[str, Limit]
Amounts = Mapping[Unit, int]


@dataclass(slots=True, eq=False)
class _Slice:
    """One reservation in the ledger. `free` may go below zero when a provider bills beyond the bound.

    outside: what was left of the limit in the ledger when this was taken. ends: when its window does, epoch seconds.
    tries: how often settling it has failed.
    """

    key: Key
    id: str
    free: int
    until: float
    outside: int = 0
    ends: float = 0.0
    running: int = 0
    spent: int = 0
    retired: bool = False
    tries: int = 0

    def standing(self) -> Standing:
        limit = self.key[1]
        return Standing(limit.unit, limit.most, max(0, self.outside + self.free), self.ends)


class Lease(Struct, eq=False):
    """The reserved bounds of one request; settle it exactly once, further calls do nothing."""

    purse: Purse
    held: list[tuple[_Slice, int]]
    open: bool = True

    def settle(self, used: Amounts | None = None) -> None:
        """Book what was really used, all that was reserved when left out, and give the rest back; never waits."""
        if self.open:
            self.open = False
            for found, bound in self.held:
                spent = bound if used is None else used.get(found.key[1].unit, 0)
                found.running -= 1
                found.spent += spent
                found.free += bound - spent
                if found.retired and not found.running:
                    self.purse._book(found)

    def standings(self) -> list[Standing]:
        """Return where limits of requests and tokens stand, as far as this process knows."""
        return [found.standing() for found, _ in self.held if found.key[1].unit in _TOLD]


class _Named(NamedTuple):
    """The limits of one scope in the windows of now."""

    on_coming: tuple[Limit, ...]
    on_asking: tuple[Limit, ...]


@dataclass(slots=True, eq=False)
class _Wanted:
    """A request that memory could not decide, on its way to the ledger. `missing`: the limits to ask it about."""

    project: str
    limits: Sequence[Limit]
    amounts: Amounts
    answer: asyncio.Future[Lease]
    held: list[tuple[_Slice, int]] = field(default_factory=list)
    missing: list[Limit] = field(default_factory=list)
    problem: Spent | None = None


@dataclass(slots=True)
class Purse:
    """Budgets of one process. `workers`: how many processes share the ledger; slices shrink accordingly.

    unsettled: how many reservations could not be settled; they count as used until their lease ends. loops: what
    sessions asked last.
    """

    records: Records
    clock: Clock
    workers: int = 1
    unsettled: int = 0
    loops: Loops = field(default_factory=Loops)
    _slices: dict[Key, _Slice] = field(default_factory=dict)
    _wanted: list[_Wanted] = field(default_factory=list)
    _ended: list[_Slice] = field(default_factory=list)
    _fetcher: asyncio.Task[None] | None = None
    _settler: asyncio.Task[None] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One transaction at a time: what has ended is given back before more is asked for."""
    _now: Windows | None = None
    _named: dict[tuple[str, Rates], _Named] = field(default_factory=dict)
    """The limits of scopes that were drawn on within this minute."""

    def windows(self) -> Windows:
        """Name the windows of now."""
        now = self.clock.now()
        if self._now is None or self._now.number != now // 60:
            self._now = windows(now)
            self._named.clear()
        return self._now

    def on_coming(self, scoped: Scoped) -> tuple[Limit, ...]:
        """Name the limits of requests and steps as they stand now."""
        self.windows()
        found: tuple[Limit, ...] = ()
        for one in scoped:
            found += (self._named.get(one) or self._name(one)).on_coming
        return found

    def on_asking(self, scoped: Scoped) -> tuple[Limit, ...]:
        """Name the limits of money and tokens as they stand now."""
        self.windows()
        found: tuple[Limit, ...] = ()
        for one in scoped:
            found += (self._named.get(one) or self._name(one)).on_asking
        return found

    def _name(self, one: tuple[str, Rates]) -> _Named:
        limits = [self.limit(one[0], rate) for rate in one[1]]
        if len(self._named) >= _MOST_NAMED:
            self._named.clear()
        found = self._named[one] = _Named(
            tuple([limit for limit in limits if limit.unit in _ON_COMING]),
            tuple([limit for limit in limits if limit.unit not in _ON_COMING]),
        )
        return found

    def limit(self, scope: str, rate: Rate) -> Limit:
        """Name a limit as it stands now; scopes are `key:<id>`, `app:<name>` and the like."""
        return Limit(scope, rate.unit, getattr(self.windows(), rate.span), rate.most)

    async def reserve(self, project: str, limits: Sequence[Limit], amounts: Amounts) -> Lease:
        """Reserve the amount of each limit's unit under every limit, in memory when slices hold enough.

        Raises Spent naming the limit that is used up, NoLedger when the ledger does not answer; nothing is reserved.
        """
        held: list[tuple[_Slice, int]] = []
        if not self._draw(project, limits, amounts, held):
            return Lease(self, held)
        Lease(self, held).settle({})
        wanted = _Wanted(project, limits, amounts, asyncio.get_running_loop().create_future())
        self._wanted.append(wanted)
        if self._fetcher is None:
            self._fetcher = asyncio.get_running_loop().create_task(self._fetch())
        try:
            async with asyncio.timeout(ASK_S):
                return await wanted.answer
        except (asyncio.CancelledError, TimeoutError) as ended:
            if wanted.answer.done() and not wanted.answer.cancelled() and wanted.answer.exception() is None:
                wanted.answer.result().settle({})
            if isinstance(ended, TimeoutError):
                raise no_ledger() from None
            raise

    async def close(self) -> None:
        """Settle every slice; what is still running is settled when it ends. Call before the loop ends."""
        while True:  # what is fetched while this waits is settled too
            for found in list(self._slices.values()):
                self._retire(found)
            if not (running := [task for task in (self._fetcher, self._settler) if task is not None]):
                return
            await asyncio.gather(*running, return_exceptions=True)

    def _draw(
        self, project: str, limits: Sequence[Limit], amounts: Amounts, held: list[tuple[_Slice, int]]
    ) -> list[Limit]:
        """Take from slices into `held`; return the limits whose slices hold too little."""
        missing, now = [], self.clock.monotonic()
        for limit in limits:
            amount = amounts[limit.unit]
            if amount <= 0:
                continue
            found = self._slices.get((project, limit))
            if found is None or found.free < amount or now >= found.until:
                missing.append(limit)
                continue
            found.free -= amount
            found.running += 1
            held.append((found, amount))
        return missing

    async def _fetch(self) -> None:
        """Serve everybody who waits, in one transaction; whoever comes meanwhile waits for the next one."""
        try:
            while batch := self._wanted:
                self._wanted = []
                asked = [wanted for wanted in batch if not self._from_memory(wanted)]
                if asked:
                    async with self._turn:
                        await self._ask(asked)
        finally:
            self._fetcher = None

    def _from_memory(self, wanted: _Wanted) -> bool:
        """Answer what others' slices can decide by now; retire those that hold too little."""
        if wanted.answer.cancelled():
            return True
        wanted.missing = self._draw(wanted.project, wanted.limits, wanted.amounts, wanted.held)
        if not wanted.missing:
            wanted.answer.set_result(Lease(self, wanted.held))
            return True
        for limit in wanted.missing:
            found = self._slices.get((wanted.project, limit))
            if found is not None:
                self._retire(found)
        return False

    async def _ask(self, asked: list[_Wanted]) -> None:
        """Ask the ledger, giving back first what has ended, and tell everybody."""
        ended, self._ended = self._ended, []
        problem: Exception | None = None
        made: list[_Slice] = []
        try:
            made = await asyncio.to_thread(self._reserve, asked, ended)
        except Exception as failed:  # noqa: BLE001  the boundary of a transaction: those who wait must hear of it
            problem = no_ledger(failed) if isinstance(failed, Unavailable) else failed
            for found in ended:
                self._restore(found, failed)
        for found in made:
            if not found.retired:
                self._slices[found.key] = found
                asyncio.get_running_loop().call_later(USE_S, self._retire, found)
        for wanted in asked:
            failure = problem or wanted.problem
            if failure is None and not wanted.answer.cancelled():
                wanted.answer.set_result(Lease(self, wanted.held))
                continue
            Lease(self, wanted.held).settle({})
            if failure is not None and not wanted.answer.cancelled():
                wanted.answer.set_exception(failure)

    def _reserve(self, asked: list[_Wanted], ended: list[_Slice]) -> list[_Slice]:
        """In a thread: reserve for each in turn; whoever finds nothing left keeps nobody else from it."""
        made: list[_Slice] = []
        with self.records.begin(TURN_S) as tx:
            unknown = self._write(tx, ended)
            fresh: dict[Key, _Slice] = {}
            for wanted in asked:
                try:
                    made += self._taken(tx, wanted, fresh)
                except Spent as problem:
                    wanted.problem = problem
        self.unsettled += unknown
        return made

    def _taken(self, tx: Transaction, wanted: _Wanted, fresh: dict[Key, _Slice]) -> list[_Slice]:
        """Draw on slices taken a moment ago, else take some: a share when enough remains, else just the bound."""
        project, now = wanted.project, self.clock.now()
        ledger.expire(tx, project, now)
        drawn: list[tuple[_Slice, int]] = []
        made: list[_Slice] = []
        for limit in wanted.missing:
            key, bound = (project, limit), wanted.amounts[limit.unit]
            found = fresh.get(key)
            if found is None or found.free < bound:
                found = self._slice(tx, key, bound)
                made.append(found)
            drawn.append((found, bound))
        holds = [Hold(found.id, found.key[1], found.free) for found in made]
        ledger.reserve(tx, project, holds, now=now, lease_s=LEASE_S)
        for found, bound in drawn:
            found.free -= bound
            found.running += 1
        wanted.held += drawn
        for found in made:
            if not found.retired:
                if (older := fresh.get(found.key)) is not None:
                    older.retired = True
                fresh[found.key] = found
        return made

    def _slice(self, tx: Transaction, key: Key, bound: int) -> _Slice:
        """Plan a slice: the share of what remains that leaves enough for everybody else, or the bound alone."""
        project, limit = key
        stands = ledger.balance(tx, project, limit.scope, limit.unit, limit.window)
        left = max(0, limit.most - stands.settled - stands.reserved)
        share = left // (_SHARE * self.workers)
        worth = share >= max(FLOOR[limit.unit], bound)
        amount = share if worth else bound
        until = self.clock.monotonic() + USE_S
        ends = window_end(limit.window).timestamp()
        return _Slice(key, new_id("rsv"), amount, until, outside=left - amount, ends=ends, retired=not worth)

    def _retire(self, found: _Slice) -> None:
        """Draw no more from a slice, and settle it once nothing runs on it."""
        if self._slices.get(found.key) is found:
            del self._slices[found.key]
            found.retired = True
            if not found.running:
                self._book(found)

    def _book(self, found: _Slice) -> None:
        self._ended.append(found)
        if self._settler is None:
            self._settler = asyncio.get_running_loop().create_task(self._settle())

    def _restore(self, found: _Slice, failed: Exception) -> None:
        """Draw on a slice again whose settling found the ledger busy, for nothing was written; else settle it later."""
        busy = isinstance(failed, Unavailable) and failed.code == "busy"
        if busy and found.free > 0 and self.clock.monotonic() < found.until and found.key not in self._slices:
            found.retired = False
            self._slices[found.key] = found
            asyncio.get_running_loop().call_later(USE_S, self._retire, found)
        else:
            self._book(found)

    async def _settle(self) -> None:
        """Settle in the ledger, with patience; whoever asks the ledger between two tries settles along what waits."""
        try:
            while self._ended:
                async with self._turn:
                    batch, self._ended = self._ended, []
                    pause_s = await self._settle_batch(batch)
                if pause_s:
                    await asyncio.sleep(pause_s)
        finally:
            self._settler = None

    async def _settle_batch(self, batch: list[_Slice]) -> float:
        """Settle once; return for how many seconds to leave the ledger alone, 0 when it was done."""
        try:
            self.unsettled += await asyncio.to_thread(self._settle_now, batch) if batch else 0
            return 0
        except HeadgateError as problem:
            most = tries(problem)
        for found in batch:
            found.tries += 1
        again = [found for found in batch if found.tries < most]
        self.unsettled += len(batch) - len(again)
        self._ended[:0] = again
        return pause_s(max(found.tries for found in batch))

    def _settle_now(self, batch: list[_Slice]) -> int:
        with self.records.begin(TURN_S) as tx:
            return self._write(tx, batch)

    def _write(self, tx: Transaction, batch: list[_Slice]) -> int:
        """Settle; return how many reservations the ledger no longer knew."""
        used: dict[str, dict[str, int]] = {}
        for found in batch:
            used.setdefault(found.key[0], {})[found.id] = found.spent
        now = self.clock.now()
        return sum(len(ledger.settle(tx, project, ids, now=now)) for project, ids in used.items())
