"""The ledger: money is reserved before it is spent, in one transaction, and settled after (decision 20, P5).

At every commit settled + reserved ≤ limit. What is reserved and never settled counts as spent until its lease ends.
What a provider bills beyond the bound is booked, and freezes the budget. Integers of nano-dollars only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, delete, insert, select, text, update

from headgate.kernel import Conflict, Exhausted, InvalidInput, NotFound, units

from .records import Transaction, upsert
from .schema import budget, reservation

_REMEMBERED_S = 86_400
"""How long an ended reservation is remembered: what is settled twice is booked once, what is settled late is booked."""
_MOST_EXPIRED = 500


@dataclass(frozen=True, slots=True)
class Limit:
    """How much a scope (`key:<id>`, `app:<name>`) may spend in a window (a UTC day, `2026-11-21`)."""

    scope: str
    window: str
    limit_nano: int


@dataclass(frozen=True, slots=True)
class Balance:
    """Where a budget stands, in nano-dollars. A frozen budget allows nothing more in its window."""

    limit_nano: int | None
    settled: int
    reserved: int
    frozen: bool = False

    @property
    def left(self) -> int | None:
        """What may still be reserved; None without a limit."""
        return None if self.limit_nano is None else max(0, self.limit_nano - self.settled - self.reserved)


class Lease(TypedDict):
    """From when (epoch seconds) and for how long (seconds) a reservation counts as spent without being settled."""

    now: float
    lease_s: float


def reserve(
    tx: Transaction, project: str, reservation_id: str, amount: int, limits: Sequence[Limit], **lease: Unpack[Lease]
) -> None:
    """Reserve `amount` nano-dollars against every limit at once; all limits are of one window.

    Raises Exhausted naming the limit that is used up and when it is renewed (the transaction must not commit then),
    Conflict for an id that was used.
    """
    now = lease["now"]
    if amount < 0 or len({limit.window for limit in limits}) > 1:
        raise InvalidInput("a reservation is of zero or more, against limits of one window")
    expire(tx, project, now)
    if tx.one(select(reservation.c.id).where(*_mine(project, reservation_id))):
        raise Conflict(f"the reservation {reservation_id} was made already", "use a fresh id")
    for limit in limits:
        held = _opened(tx, project, limit)
        if held["frozen"] or held["settled_nano"] + held["reserved_nano"] + amount > limit.limit_nano:
            raise _exhausted(limit, held, amount, now)
        _move(tx, (project, limit.scope, limit.window), reserved=amount)
    tx.execute(
        insert(reservation).values(
            project_id=project,
            id=reservation_id,
            amount_nano=amount,
            scopes=[limit.scope for limit in limits],
            window=limits[0].window if limits else "",
            state="held",
            lease_until=now + lease["lease_s"],
            made_at=now,
        )
    )


def settle(tx: Transaction, project: str, reservation_id: str, amount_nano: int, *, now: float) -> None:
    """Replace a reservation by what was really spent; settling again changes nothing.

    More than was reserved is booked, and freezes the budget for its window. So is what comes after the lease ended,
    which freezes only a budget that no longer had the room. Raises NotFound for an id that never was.
    """
    if amount_nano < 0:
        raise InvalidInput("what was spent is zero or more")
    _serialise(tx, project)
    held = tx.one(select(reservation).where(*_mine(project, reservation_id)))
    if held is None:
        raise NotFound(f"there is no reservation {reservation_id}", "it was never made, or ended more than a day ago")
    if held["state"] not in ("held", "expired"):
        return
    _end(tx, project, reservation_id, "settled")
    late = held["state"] == "expired"
    for scope in held["scopes"]:
        where = (project, scope, held["window"])
        _move(tx, where, reserved=0 if late else -held["amount_nano"], settled=amount_nano)
        found = balance(tx, *where)
        over = found.limit_nano is not None and found.settled + found.reserved > found.limit_nano
        if over or (amount_nano > held["amount_nano"] and not late):
            tx.execute(update(budget).where(*_at(where)).values(frozen=True))


def release(tx: Transaction, project: str, reservation_id: str) -> None:
    """Give a reservation back unspent; one that has ended stays ended."""
    _serialise(tx, project)
    held = tx.one(select(reservation).where(*_mine(project, reservation_id), reservation.c.state == "held"))
    if held is not None:
        _give_back(tx, project, held, "released")


def expire(tx: Transaction, project: str, now: float) -> int:
    """Return leaked reservations whose lease has ended; until then they counted as spent. Returns how many."""
    _serialise(tx, project)
    ours = reservation.c.project_id == project
    late = ours & (reservation.c.state == "held") & (reservation.c.lease_until <= now)
    rows = tx.all(select(reservation).where(late).order_by(reservation.c.lease_until).limit(_MOST_EXPIRED))
    for row in rows:
        _give_back(tx, project, row, "expired")
    forgotten = ours & (reservation.c.state != "held") & (reservation.c.lease_until <= now - _REMEMBERED_S)
    tx.execute(delete(reservation).where(forgotten))
    return len(rows)


def balance(tx: Transaction, project: str, scope: str, window: str) -> Balance:
    """Return where a scope stands in a window; nothing spent and no limit when it was never used."""
    row = tx.one(select(budget).where(*_at((project, scope, window))))
    if row is None:
        return Balance(None, 0, 0)
    return Balance(row["limit_nano"], row["settled_nano"], row["reserved_nano"], row["frozen"])


_Where = tuple[str, str, str]


def _serialise(tx: Transaction, project: str) -> None:
    """Let one transaction at a time touch a project's ledger: rows locked in any order could wait for each other."""
    if tx.dialect == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 8))").bindparams(name=project))


def _opened(tx: Transaction, project: str, limit: Limit) -> Any:
    """Return the budget's row, made when absent, with its limit as it is today."""
    make = upsert(tx.dialect, budget)
    fresh = {"limit_nano": limit.limit_nano, "settled_nano": 0, "reserved_nano": 0, "frozen": False}
    where = (project, limit.scope, limit.window)
    tx.execute(
        make.values(project_id=project, scope=limit.scope, window=limit.window, **fresh).on_conflict_do_update(
            index_elements=["project_id", "scope", "window"], set_={"limit_nano": limit.limit_nano}
        )
    )
    return tx.one(select(budget).where(*_at(where)))


def _move(tx: Transaction, where: _Where, *, reserved: int, settled: int = 0) -> None:
    values = {
        "reserved_nano": budget.c.reserved_nano + reserved,
        "settled_nano": budget.c.settled_nano + settled,
    }
    tx.execute(update(budget).where(*_at(where)).values(**values))


def _give_back(tx: Transaction, project: str, held: Any, state: str) -> None:
    _end(tx, project, held["id"], state)
    for scope in held["scopes"]:
        _move(tx, (project, scope, held["window"]), reserved=-held["amount_nano"])


def _end(tx: Transaction, project: str, reservation_id: str, state: str) -> None:
    tx.execute(update(reservation).where(*_mine(project, reservation_id)).values(state=state))


def _mine(project: str, reservation_id: str) -> tuple[ColumnElement[bool], ...]:
    return reservation.c.project_id == project, reservation.c.id == reservation_id


def _at(where: _Where) -> tuple[ColumnElement[bool], ...]:
    project, scope, window = where
    return budget.c.project_id == project, budget.c.scope == scope, budget.c.window == window


def _exhausted(limit: Limit, held: Any, amount: int, now: float) -> Exhausted:
    kind, _, name = limit.scope.partition(":")
    renewed = datetime.fromisoformat(limit.window).replace(tzinfo=UTC) + timedelta(days=1)
    if held["frozen"]:
        problem = Exhausted(
            f"the budget of {kind} {name} is frozen: a provider billed more than was reserved",
            f"compare the provider's bill with its price; it opens again at {renewed:%Y-%m-%d %H:%M} UTC",
            code="budget_frozen",
        )
    else:
        left = max(0, limit.limit_nano - held["settled_nano"] - held["reserved_nano"])
        problem = Exhausted(
            f"the budget of {kind} {name} for {limit.window} is used up: ${units.usd(left)} of "
            f"${units.usd(limit.limit_nano)} is left, and this request may cost ${units.usd(amount)}",
            f"it is renewed at {renewed:%Y-%m-%d %H:%M} UTC; ask for a higher budget, or send shorter requests",
        )
    problem.retry_after = max(1, int(renewed.timestamp() - now) + 1)
    return problem
