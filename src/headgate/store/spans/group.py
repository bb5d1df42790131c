"""One group of records and spans into one transaction. Called by the writer's thread alone; nothing here waits or tries
again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, insert, text

from headgate.kernel import SpanRecord

from . import foreign, table
from .inserting import Insert, Values
from .received import SpanRow, received

_ONE_AT_A_TIME = 0x6865616467617371
_CHUNK = 300


@dataclass(slots=True, eq=False)
class Batch:
    """Spans that somebody waits for: `rows` beside the records that they are of. `new` is set once they are stored."""

    records: Sequence[SpanRecord]
    rows: Sequence[SpanRow]
    weight: int
    new: int = 0
    done: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """What one transaction stores."""

    rows: Sequence[Values] = ()
    batches: Sequence[Batch] = ()
    gaps: Sequence[Mapping[str, Any]] = field(default=())


class GroupStore:
    """Stores groups through the one connection that may write."""

    def __init__(self, engine: Engine, guard: AbstractContextManager[Any]) -> None:
        """engine: whose connections may write. guard: entered around every use of the database."""
        dialect = engine.dialect.name
        self._engine, self._guard, self._postgresql = engine, guard, dialect == "postgresql"
        self._requests = Insert(table.request, ("project_id", "trace_id"), dialect)
        self._replaced = Insert(table.request, ("project_id", "trace_id"), dialect, replace=True)
        self._spans = Insert(received, ("project_id", "trace_id", "span_id"), dialect)

    def store(self, group: Group) -> None:
        """Put a group on disk, all of it or nothing. Errors are the driver's or SQLAlchemy's."""
        new: list[int] = []
        with self._guard, self._engine.begin() as connection:
            if group.batches:
                new = self._receive(connection, group.batches)
            if group.rows:
                self._record(connection, group.rows)
            if group.gaps:
                connection.execute(insert(table.gap), list(group.gaps))
        for batch, count in zip(group.batches, new, strict=True):
            batch.new, batch.done = count, True

    def _record(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Store requests of our own. One that has the trace id of a foreign trace takes its place."""
        stored = self._requests(connection, rows)
        if len(stored) == len(rows):
            return
        missing = [rows[place] for place in sorted(set(range(len(rows))) - set(stored))]
        taken = self._foreign(connection, [(row[table.PROJECT], row[table.TRACE]) for row in missing])
        self._replaced(connection, [row for row in missing if (row[table.PROJECT], row[table.TRACE]) in taken])

    def _receive(self, connection: Connection, batches: Sequence[Batch]) -> list[int]:
        """Store spans, and what their traces come to; return how many of each batch were new."""
        if self._postgresql:  # several processes may add to one trace
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})"))
        traces: dict[tuple[str, str], list[SpanRecord]] = {}
        counts = []
        for batch in batches:
            places = self._spans(connection, batch.rows)
            counts.append(len(places))
            for place in places:
                row = batch.rows[place]
                traces.setdefault((row[0], row[1]), []).append(batch.records[place])
        before = self._known(connection, list(traces))
        changed = [
            table.to_row(foreign.merged(before.get(key), spans))
            for key, spans in traces.items()
            if key not in before or before[key].source == foreign.SOURCE
        ]
        self._replaced(connection, changed)
        return counts

    def _foreign(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        return {key for key, record in self._known(connection, keys).items() if record.source == foreign.SOURCE}

    def _known(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        """Return the requests that are stored for these traces."""
        by_project: dict[str, list[str]] = {}
        for project, trace_id in keys:
            by_project.setdefault(project, []).append(trace_id)
        found = {}
        for project, ids in by_project.items():
            for start in range(0, len(ids), _CHUNK):
                chunk = table.request.c.trace_id.in_(ids[start : start + _CHUNK])
                for row in connection.execute(table.rows(True).where(table.request.c.project_id == project, chunk)):
                    record = table.from_row(row)
                    found[project, record.trace_id] = record
        return found
