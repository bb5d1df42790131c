"""Serving processes of the same records: who lives, and what each tells the others. Called by `platform`'s gateway.

Times are the database's own clock, so that machines need not agree on theirs. A row is a message, not a fact: it is
overwritten every few seconds, and what has not been seen lately is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Double, cast, delete, func, select

from .records import Transaction, upsert
from .schema import peer

_FORGET_S = 60.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What a process told `age_s` seconds ago."""

    id: str
    hints: Sequence[Mapping[str, Any]]
    age_s: float


def tell(tx: Transaction, project: str, id: str, hints: Sequence[Mapping[str, Any]]) -> None:
    """Say that the process `id` lives, and leave its hints for the others; rows of those long gone are removed."""
    now = _now(tx)
    values = {"hints": list(hints), "seen_at": now}
    tx.execute(
        upsert(tx.dialect, peer)
        .values(project_id=project, id=id, **values)
        .on_conflict_do_update(index_elements=["project_id", "id"], set_=values)
    )
    tx.execute(delete(peer).where(peer.c.project_id == project, peer.c.seen_at < now - _FORGET_S))


def others(tx: Transaction, project: str, id: str, within_s: float) -> list[Heard]:
    """Return every other process of the project that was seen within so many seconds, by id."""
    age = (_now(tx) - peer.c.seen_at).label("age")
    query = select(peer.c.id, peer.c.hints, age).where(peer.c.project_id == project, peer.c.id != id, age <= within_s)
    return [Heard(row["id"], row["hints"], max(row["age"], 0.0)) for row in tx.all(query.order_by(peer.c.id))]


def leave(tx: Transaction, project: str, id: str) -> None:
    """Take the process `id` off the list."""
    tx.execute(delete(peer).where(peer.c.project_id == project, peer.c.id == id))


def _now(tx: Transaction) -> ColumnElement[float]:
    if tx.dialect == "postgresql":
        return cast(func.date_part("epoch", func.clock_timestamp()), Double)
    return (func.julianday("now") - 2440587.5) * 86400.0
