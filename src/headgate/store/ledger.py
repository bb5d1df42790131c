"""The ledger: money is reserved before it is spent, in one transaction, and settled after (decision 20, P5).

At every commit settled + reserved ≤ limit. What is reserved and never settled counts as spent until its lease ends.
What a provider bills beyond the bound is booked, and freezes the budget. Integers of nano-dollars only. Rows are
locked in one order everywhere (reservations by id, then budgets by scope), so that spenders never deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from headgate.kernel import Conflict, Exhausted, NotFound, units

from .records import Transaction
from .schema import budget, reservation


@dataclass(frozen=True, slots=True)
class Limit:
    """How much a scope (`key:<id>`, `app:<name>`) may spend in a window (a UTC day, `2026-11-21`)."""

    scope: str
    window: str
    limit_nano: int


@dataclass(frozen=True, slots=True)
class Balance:
    """Where a budget stands, in nano-dollars."""

    limit_nano: int | None
    settled: int
    reserved: int
    frozen: bool = False

    @property
    def left(self) -> int | None:
        return None if self.limit_nano is None else max(0, self.limit_nano - self.settled - self.reserved)


@dataclass(frozen=True, slots=True)
class Reserve:
    """A wish to spend: at most `amount` nano-dollars, against every one of `limits`, until the lease ends."""

    id: str
    amount: int
    limits: Sequence[Limit]
    lease_s: float


def reserve(tx: Transaction, project: str, wish: Reserve, now: float) -> None:
    """Reserve against every limit at once. Raises Exhausted saying which one is used up and when it is renewed."""
    if wish.amount < 0:
        raise Conflict("a reservation cannot be negative")
    expire(tx, project, now)
    for limit in sorted(wish.limits, key=lambda item: item.scope):
        held = _locked(tx, project, limit)
        if held["frozen"] or held["settled_nano"] + held["reserved_nano"] + wish.amount > limit.limit_nano:
            raise _exhausted(limit, held, wish.amount, now)
        _move(tx, _where(project, limit.scope, limit.window), reserved=wish.amount)
    tx.execute(
        insert(reservation).values(
            project_id=project,
            id=wish.id,
            amount_nano=wish.amount,
            scopes=sorted(limit.scope for limit in wish.limits),
            window=wish.limits[0].window if wish.limits else "",
            lease_until=now + wish.lease_s,
            made_at=now,
        )
    )


def settle(tx: Transaction, project: str, reservation_id: str, amount: int, now: float) -> None:
    """Replace a reservation by what was really spent. Spending beyond the bound is booked and freezes the budget.

    Raises NotFound when the reservation ended already (its lease ran out and its amount was booked as spent).
    """
    held = _take(tx, project, reservation_id)
    if held is None:
        raise NotFound(f"there is no reservation {reservation_id}", "it was settled, released or has expired")
    beyond = amount > held["amount_nano"]
    for scope in held["scopes"]:
        _move(
            tx,
            _where(project, scope, held["window"]),
            reserved=-held["amount_nano"],
            settled=max(0, amount),
            freeze=beyond,
        )


def release(tx: Transaction, project: str, reservation_id: str) -> None:
    """Give a reservation back unspent; one that is gone stays gone."""
    held = _take(tx, project, reservation_id)
    if held is not None:
        for scope in held["scopes"]:
            _move(tx, _where(project, scope, held["window"]), reserved=-held["amount_nano"])


def expire(tx: Transaction, project: str, now: float) -> int:
    """Return leaked reservations whose lease has ended; until then they counted as spent. Returns how many."""
    late = tx.all(
        select(reservation.c.id)
        .where(reservation.c.project_id == project, reservation.c.lease_until <= now)
        .order_by(reservation.c.id)
        .limit(500)
        .with_for_update(skip_locked=True)
    )
    for row in late:
        release(tx, project, row["id"])
    return len(late)


def balance(tx: Transaction, project: str, scope: str, window: str) -> Balance:
    """Return where a scope stands in a window; nothing spent and no limit when it was never used."""
    row = tx.one(select(budget).where(*_where(project, scope, window)))
    if row is None:
        return Balance(None, 0, 0)
    return Balance(row["limit_nano"], row["settled_nano"], row["reserved_nano"], row["frozen"])


def _locked(tx: Transaction, project: str, limit: Limit) -> Any:
    """Return the budget's row, made when absent, locked until the transaction ends."""
    make = (postgresql if tx.dialect == "postgresql" else sqlite).insert(budget)
    tx.execute(
        make.values(
            project_id=project, scope=limit.scope, window=limit.window, limit_nano=limit.limit_nano, settled_nano=0,
            reserved_nano=0, frozen=False,
        ).on_conflict_do_update(
            index_elements=["project_id", "scope", "window"], set_={"limit_nano": limit.limit_nano}
        )
    )  # fmt: skip
    return tx.one(select(budget).where(*_where(project, limit.scope, limit.window)).with_for_update())


def _move(tx: Transaction, where: tuple[Any, ...], *, reserved: int, settled: int = 0, freeze: bool = False) -> None:
    values: dict[str, Any] = {
        "reserved_nano": budget.c.reserved_nano + reserved,
        "settled_nano": budget.c.settled_nano + settled,
    }
    tx.execute(update(budget).where(*where).values(**values, **({"frozen": True} if freeze else {})))


def _take(tx: Transaction, project: str, reservation_id: str) -> Any:
    mine = (reservation.c.project_id == project, reservation.c.id == reservation_id)
    row = tx.one(select(reservation).where(*mine).with_for_update())
    if row is None or tx.execute(delete(reservation).where(*mine)).rowcount != 1:
        return None
    return row


def _where(project: str, scope: str, window: str) -> tuple[Any, ...]:
    return budget.c.project_id == project, budget.c.scope == scope, budget.c.window == window


def _exhausted(limit: Limit, held: Any, amount: int, now: float) -> Exhausted:
    kind, _, name = limit.scope.partition(":")
    if held["frozen"]:
        problem = Exhausted(
            f"the budget of {kind} {name} is frozen: a provider billed more than was reserved",
            "an administrator must look at it",
            code="budget_frozen",
        )
        return problem
    left = max(0, limit.limit_nano - held["settled_nano"] - held["reserved_nano"])
    midnight = (datetime.fromtimestamp(now, UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    problem = Exhausted(
        f"the budget of {kind} {name} for {limit.window} is used up: ${units.usd(left)} of "
        f"${units.usd(limit.limit_nano)} is left, and this request may cost ${units.usd(amount)}",
        f"it is renewed at {midnight:%Y-%m-%d %H:%M} UTC; ask for a higher budget, or send shorter requests",
    )
    problem.retry_after = max(1, int(midnight.timestamp() - now) + 1)
    return problem
