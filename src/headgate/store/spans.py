"""The span file: every request as one row, written by one thread in groups, read by anyone.

Embedded it is a SQLite file of its own in WAL mode with exactly one writing connection, held with the folder's writer
lock (P2); otherwise PostgreSQL. `record` never blocks: it hands the row to a bounded queue, and counts what it drops.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Select, and_, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from headgate.kernel import RequestRecord

from .packing import COLUMNS, pack, record_of, row_of
from .span_tables import VERSION, metadata, payload, request, span_schema
from .writer_lock import WriterLock

_QUEUE = 10_000
_GROUP_S = 0.05
_GROUP_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class SpanQuery:
    """Which records to find, newest first. Times are epoch seconds; `attributes` match columns or attributes."""

    project: str
    app: str | None = None
    environment: str | None = None
    release: str | None = None
    route: str | None = None
    status: str | None = None
    source: str | None = None
    since: float | None = None
    until: float | None = None
    text: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    limit: int = 50
    payload: bool = False


class Spans:
    """Records of requests by URL: `sqlite:////abs/spans.db`, `sqlite://` (memory) or `postgresql+psycopg://…`.

    writer: whether this object may record. On SQLite it then holds the folder's writer lock; raises Conflict naming
    the process that holds it. Without it, `record` counts everything as dropped.
    """

    def __init__(self, url: str, *, writer: bool) -> None:
        self.url, self.writer, self.dropped = url, writer, 0
        self._memory = url in ("sqlite://", "sqlite:///:memory:")
        self._file = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") and not self._memory else None
        self._lock = WriterLock.take(self._file.parent) if writer and self._file else None
        self._engine = _engine(url, self._file, writer)
        self._queue: queue.Queue[RequestRecord | threading.Event] = queue.Queue(_QUEUE)
        self._closing = False
        self._thread: threading.Thread | None = None
        if writer:
            self._create()
            self._thread = threading.Thread(target=self._write_all, name="headgate-spans", daemon=True)
            self._thread.start()

    def record(self, record: RequestRecord) -> None:
        """Hand a record to the writer; when the queue is full it is dropped and counted."""
        if self._closing or not self.writer:
            self.dropped += 1
            return
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def flush(self) -> None:
        """Return when everything recorded before this call is on disk or counted as dropped."""
        if self._thread is None or not self._thread.is_alive():
            return
        done = threading.Event()
        self._queue.put(done)
        done.wait(60)

    def close(self) -> None:
        """Write what is queued, stop, and give the writer lock back."""
        if not self._closing:
            self.flush()
            self._closing = True
            if self._thread is not None:
                self._queue.put(threading.Event())
                self._thread.join(10)
            self._engine.dispose()
            if self._lock is not None:
                self._lock.release()

    def get(self, project: str, trace_id: str) -> RequestRecord | None:
        """Return one record whole, by its trace id or the only record whose id begins with it (8 or more digits)."""
        match = request.c.trace_id == trace_id
        if 8 <= len(trace_id) < 32:
            match = request.c.trace_id.startswith(trace_id, autoescape=True)
        found = self._read(_whole().where(request.c.project_id == project, match).limit(2))
        return record_of(found[0]) if len(found) == 1 else None

    def find(self, query: SpanQuery) -> list[RequestRecord]:
        """Return the newest records that match, with payload when asked for."""
        chosen = _whole() if query.payload or query.text else select(request)
        chosen = chosen.where(*_conditions(query)).order_by(request.c.at.desc(), request.c.trace_id)
        return [record_of(row) for row in self._read(chosen.limit(query.limit))]

    def window(
        self, project: str, app: str, environment: str, since: float, until: float, source: str = "live"
    ) -> list[RequestRecord]:
        """Return an environment's records with since ≤ at < until, oldest first, without payload."""
        query = SpanQuery(project, app, environment, since=since, until=until, source=source)
        rows = self._read(select(request).where(*_conditions(query)).order_by(request.c.at))
        return [record_of(row) for row in rows]

    def _read(self, statement: Select[Any]) -> Sequence[Mapping[str, Any]]:
        if self._file is not None and not self._file.exists():
            return []
        try:
            with self._engine.connect() as connection:
                return list(connection.execute(statement).mappings().all())  # type: ignore[arg-type]
        except (OperationalError, ProgrammingError) as problem:
            if "no such table" in str(problem) or "does not exist" in str(problem):
                return []
            raise

    def _create(self) -> None:
        with self._engine.begin() as connection:
            metadata.create_all(connection)
            if connection.execute(select(func.max(span_schema.c.version))).scalar() is None:
                connection.execute(span_schema.insert().values(version=VERSION))

    def _write_all(self) -> None:
        while not self._closing:
            first = self._queue.get()
            rows, waiting = self._group(first)
            self._write(rows)
            for done in waiting:
                done.set()

    def _group(self, first: RequestRecord | threading.Event) -> tuple[list[RequestRecord], list[threading.Event]]:
        """Collect what arrives within 50 ms, or until somebody waits for the disk."""
        rows: list[RequestRecord] = []
        waiting: list[threading.Event] = []
        item: RequestRecord | threading.Event | None = first
        deadline = time.monotonic() + _GROUP_S
        while item is not None:
            if isinstance(item, threading.Event):
                waiting.append(item)
                break
            rows.append(item)
            left = deadline - time.monotonic()
            try:
                item = self._queue.get(timeout=left) if left > 0 and len(rows) < _GROUP_ROWS else None
            except queue.Empty:
                item = None
        return rows, waiting

    def _write(self, records: Sequence[RequestRecord]) -> None:
        if not records:
            return
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        try:
            with self._engine.begin() as connection:
                for table, rows in (
                    (request, [row_of(record) for record in records]),
                    (payload, [pack(record) for record in records]),
                ):
                    connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)
        except SQLAlchemyError:
            self.dropped += len(records)


def _engine(url: str, file: Path | None, writer: bool) -> Engine:
    if file is None and not url.startswith("sqlite"):
        return create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=4)
    if file is None:
        return create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    if not writer:
        return create_engine(f"sqlite:///file:{file}?mode=ro&uri=true", connect_args={"check_same_thread": False})
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 10, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
            cursor.execute(f"PRAGMA {pragma}").fetchall()
        cursor.close()

    return engine


def _whole() -> Select[Any]:
    joined = and_(request.c.project_id == payload.c.project_id, request.c.trace_id == payload.c.trace_id)
    return select(request, payload.c.stages, payload.c.payload).outerjoin(payload, joined).select_from(request)


def _conditions(query: SpanQuery) -> list[Any]:
    conditions: list[Any] = [request.c.project_id == query.project]
    for name in ("app", "environment", "release", "route", "status", "source"):
        wanted = getattr(query, name)
        if wanted is not None:
            conditions.append(request.c[name] == wanted)
    if query.since is not None:
        conditions.append(request.c.at >= query.since)
    if query.until is not None:
        conditions.append(request.c.at < query.until)
    if query.text:
        conditions.append(payload.c.words.contains(query.text.lower(), autoescape=True))
    for name, value in query.attributes.items():
        conditions.append(_attribute(name, value))
    return conditions


def _attribute(name: str, value: str) -> Any:
    column = COLUMNS.get(name)
    if column is not None:
        return func.cast(request.c[column], request.c.app.type) == value
    import json

    return request.c.attributes.contains(f"{json.dumps(name)}:{json.dumps(value)}", autoescape=True)
