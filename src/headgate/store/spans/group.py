"""One group of records and spans into one transaction, with all that follows from them: traces, roll-ups, what is to
be indexed. Called by the writer's thread alone; nothing here waits or tries again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, text

from headgate.kernel import RequestRecord, SpanRecord

from . import foreign, table, word_index
from .inserting import Insert, Values
from .received import SpanRow, received
from .rollup import Tally

_ONE_AT_A_TIME = 0x6865616467617371
_CHUNK = 300
Key = tuple[str, str]


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
    gaps: Sequence[Mapping[str, Any]] = ()


class GroupStore:
    """Stores groups through the one connection that may write; used by one thread."""

    def __init__(self, engine: Engine, guard: AbstractContextManager[Any]) -> None:
        """engine: whose connections may write. guard: entered around every use of the database."""
        dialect = engine.dialect.name
        self._engine, self._guard, self._sqlite = engine, guard, dialect == "sqlite"
        key, again = ("project_id", "trace_id"), table.renumbered
        self._requests = Insert(table.request, key, dialect, again=again)
        self._replaced = Insert(table.request, key, dialect, replace=True, again=again)
        self._spans = Insert(received, ("project_id", "trace_id", "span_id"), dialect)
        self._tally = Tally(dialect)

    def store(self, group: Group) -> None:
        """Put a group on disk, all of it or nothing. Errors are the driver's or SQLAlchemy's."""
        try:
            with self._guard, self._engine.begin() as connection:
                new = self._receive(connection, group.batches)
                self._record(connection, group.rows)
                if group.gaps:
                    connection.execute(insert(table.gap), list(group.gaps))
                self._tally.write(connection)
        except BaseException:
            self._tally.forget()
            raise
        self._tally.trim()
        for batch, count in zip(group.batches, new, strict=True):
            batch.new, batch.done = count, True

    def catch_up(self, most: int) -> bool:
        """Index some of the rows that wait for it; whether more wait. What a power cut undoes is done again."""
        if not self._sqlite:
            return False
        with self._guard, self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
            connection.rollback()
            try:
                with connection.begin():
                    return word_index.catch_up(connection, most) == most
            finally:
                connection.exec_driver_sql("PRAGMA synchronous=FULL")

    def _record(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Store requests of our own. One that has the trace id of a foreign trace takes its place."""
        stored = self._requests(connection, rows)
        self._noted(connection, list(stored.values()), [])
        if len(stored) == len(rows):
            return
        missing = {_key(row): row for place, row in enumerate(rows) if place not in stored}
        known = self._known(connection, list(missing))
        taken = {key: old for key, old in known.items() if old[1].source == foreign.SOURCE}
        self._replace(connection, [missing[key] for key in taken], [old for old, _ in taken.values()])

    def _receive(self, connection: Connection, batches: Sequence[Batch]) -> list[int]:
        """Store spans, and what their traces come to; return how many of each batch were new."""
        if batches and not self._sqlite:  # several processes may add to one trace
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})"))
        traces: dict[Key, list[SpanRecord]] = {}
        counts = []
        for batch in batches:
            places = self._spans(connection, batch.rows)
            counts.append(len(places))
            for place in places:
                row = batch.rows[place]
                traces.setdefault((row[0], row[1]), []).append(batch.records[place])
        known = self._known(connection, list(traces))
        rows, gone = [], []
        for key, spans in traces.items():
            old, record = known.get(key, (None, None))
            if record is None or record.source == foreign.SOURCE:
                after = foreign.merged(record, spans)
                kept = old[0] if old is not None and record is not None and record.at == after.at else None
                rows.append(table.to_row(after, kept))
                gone += [old] if old is not None else []
        self._replace(connection, rows, gone)
        return counts

    def _replace(self, connection: Connection, rows: Sequence[Values], gone: Sequence[Values]) -> None:
        """Store rows in the place of others of the same traces."""
        if self._sqlite:
            word_index.note_gone(connection, gone)
        stored = self._replaced(connection, rows)
        self._noted(connection, list(stored.values()), gone)

    def _noted(self, connection: Connection, rows: Sequence[Values], gone: Sequence[Values]) -> None:
        """Count rows, take back others, and have the new ones indexed."""
        self._tally.add(gone, -1)
        self._tally.add(rows)
        if self._sqlite:
            word_index.note_new(connection, rows)

    def _known(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, tuple[Values, RequestRecord]]:
        """Return the requests that are stored for these traces, as rows and as records."""
        by_project: dict[str, list[str]] = {}
        for project, trace_id in keys:
            by_project.setdefault(project, []).append(trace_id)
        found: dict[Key, tuple[Values, RequestRecord]] = {}
        for project, ids in by_project.items():
            for start in range(0, len(ids), _CHUNK):
                chunk = table.request.c.trace_id.in_(ids[start : start + _CHUNK])
                for row in connection.execute(
                    select(table.request).where(table.request.c.project_id == project, chunk)
                ):
                    found[_key(tuple(row))] = tuple(row), table.from_row(row)
        return found


def _key(row: Values) -> Key:
    return row[table.PROJECT], row[table.TRACE]
