"""Spans: what was recorded of every request, in a file of its own (or in PostgreSQL), written by one process.

`serve` hands records to it, `observe` and `improve` read. SQLite: WAL, exactly one writing connection, held by the
process with the folder's writer lock; every other connection opens the file `mode=ro` (decision 8, P2).
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from headgate.kernel import RequestRecord, SpanRecord, Unavailable
from headgate.store.records import engine_of, told
from headgate.store.writer_lock import WriterLock

from . import received, table
from .opening import memory, path_of, reading, refuse_records, writing
from .query import SpanQuery, attributes, find, matching
from .rollup import DETAILED, Grain, Rollup, from_rows, summed
from .upgrade import prepare, version_of
from .writer import SpanWriter


class Spans:
    """Recorded requests by URL: `sqlite:////abs/spans.db`, `sqlite://` (memory), `postgresql+psycopg://…`.

    writer: whether this process records; on SQLite it takes the folder's writer lock (Conflict when another has it).
    """

    def __init__(self, url: str, *, writer: bool) -> None:
        self.url, self.writer = url, writer
        self._file = None if url == "sqlite://" or not url.startswith("sqlite") else path_of(url)
        self._guard: AbstractContextManager[Any] = threading.RLock() if url == "sqlite://" else nullcontext()
        self._lock: WriterLock | None = None
        self._refused = 0
        self._ready = False
        self._writer: SpanWriter | None = None
        self._engines: list[Engine] = []
        if self._file and writer:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._lock = WriterLock(self._file.parent)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        if self._file is None:
            engine = memory() if self.url == "sqlite://" else engine_of(self.url)
            self._engines = [engine]
            if self.writer or self.url == "sqlite://":
                prepare(engine, self.url)
            self._reads = engine
        else:
            self._reads = reading(self._file)
            self._engines = [self._reads]
        if self.writer:
            engine = writing(self._file) if self._file else self._reads
            if self._file:
                refuse_records(self._file, self._reads)
                self._engines.append(engine)
                prepare(engine, self.url)
            self._writer, self._ready = SpanWriter(engine, self._guard), True
        for engine in self._engines:
            weakref.finalize(self, engine.dispose)

    @property
    def dropped(self) -> int:
        """How many records were dropped: by this process when it writes, ever (as far as stored) when it reads."""
        if self._writer is not None:
            return self._writer.dropped
        with self._read() as connection:
            stored = connection and connection.execute(select(func.sum(table.gap.c.dropped))).scalar()
        return self._refused + int(stored or 0)

    def record(self, record: RequestRecord) -> None:
        """Take a record without waiting; it is dropped and counted when too many wait or this process only reads."""
        if self._writer is None:
            self._refused += 1
        else:
            self._writer.record(record)

    def ingest(self, records: Sequence[SpanRecord]) -> int:
        """Store spans that others recorded and return how many were new, only when they are on disk (P3).

        A span that is there already (project, trace and span id) is left as it is. Waits while too many spans wait.
        Raises InvalidInput for a span without a time, Unavailable when they may not be on disk: send them again.
        """
        if self._writer is None:
            raise Unavailable("this process does not write traces", "send spans to the server")
        return self._writer.ingest(records)

    def spans_of(self, project: str, trace_id: str) -> list[SpanRecord]:
        """Return every span received of a trace, earliest first."""
        with self._read() as connection:
            if connection is None:
                return []
            return [received.from_row(row) for row in connection.execute(received.of_trace(project, trace_id))]

    def flush(self) -> None:
        """Return when every record taken so far is on disk. Raises Unavailable when they cannot be written."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Write what waits and let go of the file."""
        if self._writer is not None:
            self._writer.close()
        for engine in self._engines:
            engine.dispose()
        if self._lock is not None:
            self._lock.release()

    def get(self, project: str, trace_id: str) -> RequestRecord | None:
        """Return one request with its payload by its trace id, or by 8 or more digits that only one id begins with."""
        requests = table.request
        named = requests.c.trace_id == trace_id
        if 8 <= len(trace_id) < 32:  # a range, which the index of trace ids serves; ids are of hexadecimal digits
            named = (requests.c.trace_id >= trace_id) & (requests.c.trace_id < trace_id + "g")
        found = self._rows(table.rows(True).where(requests.c.project_id == project, named).limit(2))
        return found[0] if len(found) == 1 else None

    def find(self, query: SpanQuery) -> list[RequestRecord]:
        """Return matching requests, newest first."""
        with self._read() as connection:
            return [] if connection is None else [table.from_row(row) for row in find(connection, query)]

    def counted(self, query: SpanQuery, prefix: str) -> dict[tuple[str, str], int]:
        """Return how many matching requests have each attribute whose name begins with `prefix`, by (name, value)."""
        with self._read() as connection:
            if connection is None:
                return {}
            return dict(Counter(pair for pair in attributes(connection, query) if pair[0].startswith(prefix)))

    def window(
        self, project: str, app: str, environment: str, since: float, until: float, source: str = "live"
    ) -> list[RequestRecord]:
        """Return every request of an app's environment in [since, until), without payloads, oldest first."""
        query = SpanQuery(project, app, environment, since=since, until=until, source=source)
        number = table.request.c.id
        within = (number >= table.id_from(since), number < table.id_from(until + 0.001))
        return self._rows(table.rows(False).where(*matching(query), *within).order_by(number))

    @staticmethod
    def number_at(at: float) -> int:
        """Return the least number of requests that begin at a time: numbers go with the beginning, and last a store."""
        return table.id_from(at)

    def numbers(self, project: str, after: int, limit: int) -> list[int]:
        """Return the numbers of live requests above one, in order."""
        requests = table.request
        mine = (requests.c.project_id == project, requests.c.source == "live", requests.c.id > after)
        with self._read() as connection:
            if connection is None:
                return []
            return list(
                connection.execute(select(requests.c.id).where(*mine).order_by(requests.c.id).limit(limit)).scalars()
            )

    def numbered(self, project: str, numbers: Sequence[int]) -> list[RequestRecord]:
        """Return the requests of these numbers with their payloads, in order."""
        requests = table.request
        mine = (requests.c.project_id == project, requests.c.source == "live", requests.c.id.in_(numbers))
        return self._rows(table.rows(True).where(*mine).order_by(requests.c.id, requests.c.trace_id))

    def rollups(
        self, project: str, since: float, until: float, *, app: str | None = None, environment: str | None = None,
        grain: Grain = DETAILED,
    ) -> list[Rollup]:  # fmt: skip
        """Return what requests came to, per bucket that begins in [since, until) and kind of request, oldest first.

        app, environment: only these; "" is one of them. grain: how wide a bucket is and which kinds are kept apart.
        """
        where = {name: value for name, value in (("app", app), ("environment", environment)) if value is not None}
        with self._read() as connection:
            if connection is None:
                return []
            query = summed(project, (since, until), grain, where, connection.dialect.name)
            return list(from_rows(connection.execute(query), grain.step))

    def _rows(self, statement: Any) -> list[RequestRecord]:
        with self._read() as connection:
            if connection is None:
                return []
            return [table.from_row(row) for row in connection.execute(statement)]

    @contextmanager
    def _read(self) -> Iterator[Connection | None]:
        """Open a connection that cannot write; None while nobody has ever written here."""
        if self._file is not None and not self._file.exists():
            yield None
            return
        with told("traces", self.url), self._guard, self._reads.connect() as connection:
            yield connection if self._ready or self._made(connection) else None

    def _made(self, connection: Connection) -> bool:
        """Whether the tables are there. Raises Unavailable for those of another Headgate, which only a writer brings
        up to date."""
        version = version_of(connection)
        if version is not None and version != table.VERSION:
            told_by = f"the traces were written by another Headgate (version {version})"
            raise Unavailable(told_by, "start a server of this one: it brings older ones up to date")
        self._ready = version is not None
        return self._ready
