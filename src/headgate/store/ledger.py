"""The ledger: what may be used is reserved before it is used, in one transaction, and settled after (decision 20, P5).

A budget is a scope (`key:<id>`, `app:<name>`), a unit (cost in nano-dollars, tokens, requests, steps) and a UTC window.
At every commit settled + reserved ≤ limit. What is reserved and never settled counts as used until its lease ends.
What a provider bills beyond the bound is booked, and freezes the budget. Integers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, Unpack

from sqlalchemy import ColumnElement, delete, insert, select, text, update

from headgate.kernel import Conflict, Exhausted, InvalidInput, Standing, Unit, rates, span_of, window_end

from .records import Transaction, upsert
from .schema import budget, reservation

_REMEMBERED_S = 86_400
"""How long an ended reservation is remembered: what is settled twice is booked once, what is settled late is booked."""
_MOST_EXPIRED = 500
_KEPT_S = {"minute": 3_600, "day": 400 * 86_400, "month": 400 * 86_400}
"""How long a budget is kept after its window."""


class Limit(NamedTuple):
    """How much of a unit a scope may use in a window (`2026-11-21T09:41`, `2026-11-21` or `2026-11`)."""

    scope: str
    unit: Unit
    window: str
    most: int


class Hold(NamedTuple):
    """One reservation: its id, the limit that it counts against, and how much."""

    id: str
    limit: Limit
    amount: int


@dataclass(frozen=True, slots=True)
class Balance:
    """Where a budget stands, in its unit. A frozen budget allows nothing more in its window."""

    most: int | None
    settled: int
    reserved: int
    frozen: bool = False

    @property
    def left(self) -> int | None:
        """What may still be reserved; None without a limit."""
        if self.most is None:
            return None
        return 0 if self.frozen else max(0, self.most - self.settled - self.reserved)


class Spent(Exhausted):
    """A limit that is used up: where it stands, and how much was asked for."""

    def __init__(self, message: str, hint: str, *, code: str = "", standing: Standing, asked: int) -> None:
        super().__init__(message, hint, code=code)
        self.standing, self.asked = standing, asked


class Lease(TypedDict):
    """From when (epoch seconds) and for how long (seconds) a reservation counts as used without being settled."""

    now: float
    lease_s: float


def reserve(tx: Transaction, project: str, holds: Sequence[Hold], **lease: Unpack[Lease]) -> None:
    """Reserve every hold or none of them.

    Raises Spent naming the limit that is used up and when it is renewed, Conflict for an id that was used; nothing is
    reserved then, so that the transaction may go on.
    """
    now = lease["now"]
    if any(hold.amount < 0 for hold in holds) or len({(hold.limit[:3]) for hold in holds}) < len(holds):
        raise InvalidInput("a reservation is of zero or more, and holds once in a budget")
    expire(tx, project, now)
    ids = [hold.id for hold in holds]
    if tx.one(select(reservation.c.id).where(reservation.c.project_id == project, reservation.c.id.in_(ids)).limit(1)):
        raise Conflict(f"one of the reservations {', '.join(ids)} was made already", "use fresh ids")
    for hold in holds:
        held = _opened(tx, project, hold.limit)
        if held["frozen"] or held["settled"] + held["reserved"] + hold.amount > hold.limit.most:
            raise _spent(hold, held, now)
    for hold in holds:
        _move(tx, (project, *hold.limit[:3]), reserved=hold.amount)
    if holds:
        until = now + lease["lease_s"]
        tx.execute(insert(reservation).values([_row(project, hold, now, until) for hold in holds]))


def settle(tx: Transaction, project: str, used: Mapping[str, int], *, now: float) -> frozenset[str]:
    """Replace reservations by what was really used, by id; settling again changes nothing.

    More than was reserved is booked, and freezes the budget for its window. So is what comes after the lease ended,
    which freezes only a budget that no longer had the room. Returns the ids that never were, or ended a day ago.
    """
    if any(amount < 0 for amount in used.values()):
        raise InvalidInput("what was used is zero or more")
    _serialise(tx, project)
    found = tx.all(select(reservation).where(reservation.c.project_id == project, reservation.c.id.in_(used)))
    for held in found:
        if held["state"] in ("held", "expired"):
            _settle(tx, project, held, used[held["id"]])
    return frozenset(used.keys() - {held["id"] for held in found})


def _settle(tx: Transaction, project: str, held: Any, amount: int) -> None:
    _end(tx, project, held["id"], "settled")
    late = held["state"] == "expired"
    where = (project, held["scope"], held["unit"], held["window"])
    _move(tx, where, reserved=0 if late else -held["amount"], settled=amount)
    if amount > held["amount"] or late:
        found = balance(tx, *where)
        over = found.most is not None and found.settled + found.reserved > found.most
        if over or not late:
            tx.execute(update(budget).where(*_at(where)).values(frozen=True))


def release(tx: Transaction, project: str, reservation_id: str) -> None:
    """Give a reservation back unused; one that has ended stays ended."""
    _serialise(tx, project)
    held = tx.one(select(reservation).where(*_mine(project, reservation_id), reservation.c.state == "held"))
    if held is not None:
        _give_back(tx, project, held, "released")


def expire(tx: Transaction, project: str, now: float) -> int:
    """Return leaked reservations whose lease has ended; until then they counted as used. Returns how many."""
    _serialise(tx, project)
    ours = reservation.c.project_id == project
    late = ours & (reservation.c.state == "held") & (reservation.c.lease_until <= now)
    rows = tx.all(select(reservation).where(late).order_by(reservation.c.lease_until).limit(_MOST_EXPIRED))
    for row in rows:
        _give_back(tx, project, row, "expired")
    forgotten = ours & (reservation.c.state != "held") & (reservation.c.lease_until <= now - _REMEMBERED_S)
    tx.execute(delete(reservation).where(forgotten))
    tx.execute(delete(budget).where(budget.c.project_id == project, budget.c.forget_at <= now, budget.c.reserved == 0))
    return len(rows)


def balance(tx: Transaction, project: str, scope: str, unit: str, window: str) -> Balance:
    """Return where a budget stands; nothing used and no limit when it was never drawn on."""
    row = tx.one(select(budget).where(*_at((project, scope, unit, window))))
    if row is None:
        return Balance(None, 0, 0)
    return stands(row)


def stands(row: Mapping[str, Any]) -> Balance:
    """Return where a budget stands by its row."""
    return Balance(row["most"], row["settled"], row["reserved"], row["frozen"])


_Where = tuple[str, str, str, str]


def _serialise(tx: Transaction, project: str) -> None:
    """Let one transaction at a time touch a project's ledger: rows locked in any order could wait for each other."""
    if tx.dialect == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 8))").bindparams(name=project))


def _opened(tx: Transaction, project: str, limit: Limit) -> Any:
    """Return the budget's row, made when absent, with its limit as it is today."""
    make = upsert(tx.dialect, budget)
    ends = window_end(limit.window).timestamp()
    fresh = {"settled": 0, "reserved": 0, "frozen": False, "forget_at": ends + _KEPT_S[span_of(limit.window)]}
    named = {"project_id": project, "scope": limit.scope, "unit": limit.unit, "window": limit.window}
    tx.execute(
        make.values(**named, most=limit.most, **fresh).on_conflict_do_update(
            index_elements=list(named), set_={"most": limit.most}
        )
    )
    return tx.one(select(budget).where(*_at((project, *limit[:3]))))


def _move(tx: Transaction, where: _Where, *, reserved: int, settled: int = 0) -> None:
    values = {"reserved": budget.c.reserved + reserved, "settled": budget.c.settled + settled}
    tx.execute(update(budget).where(*_at(where)).values(**values))


def _row(project: str, hold: Hold, now: float, until: float) -> dict[str, Any]:
    scope, unit, window, _ = hold.limit
    where = {"project_id": project, "id": hold.id, "scope": scope, "unit": unit, "window": window}
    return {**where, "amount": hold.amount, "state": "held", "lease_until": until, "made_at": now}


def _give_back(tx: Transaction, project: str, held: Any, state: str) -> None:
    _end(tx, project, held["id"], state)
    _move(tx, (project, held["scope"], held["unit"], held["window"]), reserved=-held["amount"])


def _end(tx: Transaction, project: str, reservation_id: str, state: str) -> None:
    tx.execute(update(reservation).where(*_mine(project, reservation_id)).values(state=state))


def _mine(project: str, reservation_id: str) -> tuple[ColumnElement[bool], ...]:
    return reservation.c.project_id == project, reservation.c.id == reservation_id


def _at(where: _Where) -> tuple[ColumnElement[bool], ...]:
    project, scope, unit, window = where
    mine = budget.c.project_id == project, budget.c.scope == scope
    return *mine, budget.c.unit == unit, budget.c.window == window


def _spent(hold: Hold, held: Any, now: float) -> Spent:
    scope, unit, window, most = hold.limit
    renewed = window_end(window)
    left = 0 if held["frozen"] else max(0, most - held["settled"] - held["reserved"])
    who = describe(scope)
    facts: dict[str, Any] = {"standing": Standing(unit, most, left, renewed.timestamp()), "asked": hold.amount}
    if held["frozen"]:
        problem = Spent(
            f"the {noun(unit)} of {who} is frozen: a provider billed more than was reserved",
            f"compare the provider's bill with its price; it opens again at {renewed:%Y-%m-%d %H:%M} UTC",
            code="budget_frozen",
            **facts,
        )
    elif unit in ("cost", "tokens"):
        problem = Spent(
            f"the {noun(unit)} of {who} for {window} {_how_little(left, most, hold.amount)}: "
            f"{rates.amount(unit, left)} of {rates.amount(unit, most)} is left, and this request may take "
            f"{rates.amount(unit, hold.amount)}",
            "ask for a higher limit, or send a shorter request with a smaller max_tokens"
            + ("" if hold.amount > most else f"; it is renewed at {renewed:%Y-%m-%d %H:%M} UTC"),
            code="budget_exhausted" if unit == "cost" else "tokens_exhausted",
            **facts,
        )
    else:
        problem = Spent(
            f"{who} has used its {rates.amount(unit, most)} a {span_of(window)}",
            f"it may go on at {renewed:%Y-%m-%d %H:%M} UTC; ask for a higher limit, or send requests more slowly",
            code="rate_limited" if unit == "requests" else "steps_exhausted",
            **facts,
        )
    problem.retry_after = max(1, int(renewed.timestamp() - now) + 1)
    return problem


def _how_little(left: int, most: int, asked: int) -> str:
    """Say whether it was used, or is less than the request may take: that one would not fit tomorrow either."""
    if asked > most:
        return "is smaller than this request"
    return "is used up" if left <= 0 else "is nearly used up"


def noun(unit: str) -> str:
    """Name a budget of a unit as people say it."""
    return "budget" if unit == "cost" else f"limit of {unit}"


def describe(scope: str) -> str:
    """Name a scope as people say it: `key:key_1` is `key key_1`, `user:support/3f…` is `this user of support`."""
    kind, _, name = scope.partition(":")
    if kind in ("user", "session"):
        return f"this {kind} of {name.partition('/')[0]}"
    return f"{kind} {name}"
