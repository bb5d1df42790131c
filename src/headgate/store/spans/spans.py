"""Spans: what was recorded of every request, in a file of its own (or in PostgreSQL), written by one process.

`serve` hands records to it, `observe` and `improve` read. SQLite: WAL, exactly one writing connection, held by the
process with the folder's writer lock; every other connection opens the file `mode=ro` (decision 8, P2).
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, inspect, select, text
from sqlalchemy.pool import QueuePool, StaticPool

from headgate.kernel import Conflict, InvalidInput, RequestRecord, SpanRecord, Unavailable
from headgate.store.records import engine_of, told
from headgate.store.writer_lock import WriterLock

from . import received, table
from .query import SpanQuery, matching
from .writer import SpanWriter

_BUSY_S = 10
_LOCK = 0x6865616467617370


class Spans:
    """Recorded requests by URL: `sqlite:////abs/spans.db`, `sqlite://` (memory), `postgresql+psycopg://…`.

    writer: whether this process records; on SQLite it takes the folder's writer lock (Conflict when another has it).
    """

    def __init__(self, url: str, *, writer: bool) -> None:
        self.url, self.writer = url, writer
        self._file = None if url == "sqlite://" or not url.startswith("sqlite") else _path(url)
        self._guard: AbstractContextManager[Any] = threading.RLock() if url == "sqlite://" else nullcontext()
        self._lock: WriterLock | None = None
        self._refused = 0
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
            engine = _memory() if self.url == "sqlite://" else engine_of(self.url)
            self._engines = [engine]
            if self.writer or self.url == "sqlite://":
                _prepare(engine, self.url)
            self._reads = engine
        else:
            self._reads = _reading(self._file)
            self._engines = [self._reads]
        if self.writer:
            engine = _writing(self._file) if self._file else self._reads
            if self._file:
                _refuse_records(self._file, self._reads)
                self._engines.append(engine)
                _prepare(engine, self.url)
            self._writer = SpanWriter(engine, self._guard)
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
        if 8 <= len(trace_id) < 32:
            named = requests.c.trace_id.startswith(trace_id, autoescape=True)
        found = self._rows(table.rows(True).where(requests.c.project_id == project, named).limit(2))
        return found[0] if len(found) == 1 else None

    def find(self, query: SpanQuery) -> list[RequestRecord]:
        """Return matching requests, newest first."""
        requests = table.request
        statement = table.rows(query.payload).where(*matching(query))
        return self._rows(statement.order_by(requests.c.at.desc(), requests.c.trace_id.desc()).limit(query.limit))

    def window(
        self, project: str, app: str, environment: str, since: float, until: float, source: str = "live"
    ) -> list[RequestRecord]:
        """Return every request of an app's environment in [since, until), without payloads, oldest first."""
        query = SpanQuery(project, app, environment, since=since, until=until, source=source)
        requests = table.request
        statement = table.rows(False).where(*matching(query))
        return self._rows(statement.order_by(requests.c.at, requests.c.trace_id))

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
            yield connection if self.writer or inspect(connection).has_table("request") else None


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _memory() -> Engine:
    return create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


def _reading(file: Path) -> Engine:
    """Return an engine whose connections can only read: they neither write the log nor checkpoint it."""

    def connect() -> sqlite3.Connection:
        address = f"file:{quote(str(file.absolute()))}?mode=ro"
        return sqlite3.connect(address, uri=True, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, max_overflow=12)


def _writing(file: Path) -> Engine:
    """Return an engine of exactly one connection, which writes."""
    engine = create_engine(
        f"sqlite:///{file}",
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": _BUSY_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()
        if mode != "wal":
            raise Unavailable(f"{file} cannot be written with a write-ahead log", "put it on a local disk")

    return engine


def _refuse_records(file: Path, reads: Engine) -> None:
    """Raise InvalidInput for a file of records, before anything in it is changed."""
    if file.exists():
        with told("traces", f"sqlite:///{file}"), reads.connect() as connection:
            if inspect(connection).has_table("alembic_version"):
                hint = "they need a file of their own: spans.db"
                raise InvalidInput("traces cannot be stored in the records' file", hint)


def _prepare(engine: Engine, url: str) -> None:
    """Make the tables when they are absent. Raises Conflict for a newer schema."""
    with told("traces", url), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        table.metadata.create_all(connection)
        version = connection.execute(select(table.schema.c.version)).scalar()
        if version is None:
            connection.execute(insert(table.schema).values(version=table.VERSION))
        elif version > table.VERSION:
            raise Conflict("these traces were written by a newer Headgate", "upgrade Headgate")
