"""Limits on more than a day's money: a budget's row has a unit, a reservation holds in one budget, keys have teams.

What was spent and reserved before is kept: it was money, by the day. It never changes again once it is released.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

metadata = MetaData()
before = MetaData()
_KEPT = timedelta(days=400)


def _tenant() -> Column[str]:
    return Column("project_id", String(64), primary_key=True)


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _time(name: str) -> Column[float]:
    return Column(name, Double, nullable=False)


old_budget = Table(
    "budget", before, _tenant(), _key("scope"), _key("window"), Column("limit_nano", BigInteger),
    _number("settled_nano"), _number("reserved_nano"), Column("frozen", Boolean, nullable=False),
)  # fmt: skip
old_reservation = Table(
    "reservation", before, _tenant(), _key("id"), _number("amount_nano"),
    Column("scopes", JSON(none_as_null=True), nullable=False), _text("window"), _text("state"), _time("lease_until"),
    _time("made_at"),
)  # fmt: skip
budget = Table(
    "budget", metadata, _tenant(), _key("scope"), _key("unit"), _key("window"), Column("most", BigInteger),
    _number("settled"), _number("reserved"), Column("frozen", Boolean, nullable=False), _time("forget_at"),
    Index("ix_budget_forget", "project_id", "forget_at"),
)  # fmt: skip
reservation = Table(
    "reservation", metadata, _tenant(), _key("id"), _text("scope"), _text("unit"), _text("window"), _number("amount"),
    _text("state"), _time("lease_until"), _time("made_at"),
    Index("ix_reservation_lease", "project_id", "state", "lease_until"),
)  # fmt: skip
limits = Table(
    "limits", metadata, _tenant(), _key("scope"), Column("rates", JSON(none_as_null=True), nullable=False),
    _time("at"), _text("person"),
)  # fmt: skip


def upgrade() -> None:
    """Make the tables anew around the rows that were there."""
    bind = op.get_bind()
    budgets, held = _budgets(bind), _reservations(bind)
    before.drop_all(bind)
    metadata.create_all(bind)
    if budgets:
        bind.execute(insert(budget), budgets)
    if held:
        bind.execute(insert(reservation), held)
    op.add_column("api_key", Column("team", Text))


def _budgets(bind: Connection) -> list[dict[str, object]]:
    return [
        {
            "project_id": row["project_id"],
            "scope": row["scope"],
            "unit": "cost",
            "window": row["window"],
            "most": row["limit_nano"],
            "settled": row["settled_nano"],
            "reserved": row["reserved_nano"],
            "frozen": row["frozen"],
            "forget_at": (datetime.fromisoformat(row["window"]).replace(tzinfo=UTC) + _KEPT).timestamp(),
        }
        for row in bind.execute(select(old_budget)).mappings()
    ]


def _reservations(bind: Connection) -> list[dict[str, object]]:
    """Return one row for each budget that a reservation was held in; only what still holds anything is kept."""
    rows = bind.execute(select(old_reservation).where(old_reservation.c.state == "held")).mappings()
    return [
        {
            "project_id": row["project_id"],
            "id": row["id"] if number == 0 else f"{row['id']}.{number}",
            "scope": scope,
            "unit": "cost",
            "window": row["window"],
            "amount": row["amount_nano"],
            "state": "held",
            "lease_until": row["lease_until"],
            "made_at": row["made_at"],
        }
        for row in rows
        for number, scope in enumerate(row["scopes"])
    ]
