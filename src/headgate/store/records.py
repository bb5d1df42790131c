"""The records: SQLite or PostgreSQL behind transactions. Everybody above opens one, runs statements, and leaves it.

SQLite (decision 8): rollback journal, synced before a commit returns, `BEGIN IMMEDIATE` for writes, never held across
an `await`. After an I/O error of the disk nothing is tried again: what a failed sync left behind cannot be known.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import Connection, CursorResult, Engine, Table, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.base import Executable

from headgate.kernel import InvalidInput, Unavailable, plugins

from . import migration

Dialect = Literal["sqlite", "postgresql"]
BUSY_S = 10
"""How long a transaction waits for another one's lock."""
_FATAL = "disk I/O error"


@dataclass(frozen=True, slots=True)
class Transaction:
    """One database transaction; it commits when its `with` block ends and rolls back when that raises."""

    connection: Connection
    dialect: Dialect

    def execute(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run a statement; `values` is one row or many."""
        return cast(CursorResult[Any], self.connection.execute(statement, values))

    def one(self, statement: Executable) -> Mapping[str, Any] | None:
        """Return the first row by column name, or None."""
        row = self.connection.execute(statement).mappings().first()
        return None if row is None else cast(Mapping[str, Any], row)

    def all(self, statement: Executable) -> list[Mapping[str, Any]]:
        """Return every row by column name."""
        return cast(list[Mapping[str, Any]], list(self.connection.execute(statement).mappings().all()))


def upsert(dialect: str, table: Table) -> Any:
    """Return the database's own INSERT into a table, which knows ON CONFLICT; its dialect is imported only here."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


class Records:
    """A database of records, by URL: `sqlite:////abs/records.db`, `sqlite://` (memory), `postgresql+psycopg://…`.

    `broken` says why nothing works any more after an I/O error of the disk; '' while all is well. A server that
    finds it set must end: only a new process sees what really is on disk.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = engine_of(url)
        weakref.finalize(self, self.engine.dispose)
        self.dialect = cast(Dialect, self.engine.dialect.name)
        self.broken = ""
        self._writers = threading.Lock()
        self._one: AbstractContextManager[Any] = threading.RLock() if _in_memory(url) else nullcontext()

    def migrate(self) -> None:
        """Bring the schema to the newest version, one process at a time; a look is enough when it is there."""
        with self._told(), self._one:
            migration.migrate(self.engine)

    @contextmanager
    def begin(self, patience_s: float = BUSY_S) -> Iterator[Transaction]:
        """Open a write transaction. On SQLite it takes the write lock at once and waits up to `patience_s` for it.

        Raises Unavailable when the database is busy, full or gone; nothing was written then.
        """
        with (
            self._told(),
            self._turn(patience_s),
            self._one,
            self.engine.connect() as connection,
            self._patient(connection, patience_s),
        ):
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection, self.dialect)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def read(self, *, whole: bool = True) -> Iterator[Transaction]:
        """Open a read transaction: one consistent view, in which nothing can be written.

        whole: False when each statement may see the newest, and no time is to be lost: PostgreSQL then gets one message
        a statement, without the transaction around it that costs three, and that would refuse to write.
        """
        with self._told(), self._one, self.engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only=ON")
                connection.exec_driver_sql("BEGIN")
            else:
                level = "REPEATABLE READ" if whole else "AUTOCOMMIT"
                connection.execution_options(isolation_level=level, postgresql_readonly=True)
            try:
                yield Transaction(connection, self.dialect)
            finally:
                _let_go(connection)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _patient(self, connection: Connection, patience_s: float) -> Iterator[None]:
        """Let SQLite wait for another program's lock no longer than this, within the block."""
        if self.dialect != "sqlite" or patience_s == BUSY_S:
            yield
            return
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(patience_s * 1000)}")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_S * 1000}")

    @contextmanager
    def _turn(self, patience_s: float) -> Iterator[None]:
        """Let one thread of this process write at a time, in order of arrival; SQLite itself would be unfair."""
        if self.dialect != "sqlite":
            yield
            return
        if not self._writers.acquire(timeout=patience_s):
            raise _busy("records")
        try:
            yield
        finally:
            self._writers.release()

    @contextmanager
    def _told(self) -> Iterator[None]:
        if self.broken:
            raise Unavailable(f"the records' disk failed: {self.broken}", "check the disk, then start again")
        try:
            with told("records", self.url):
                yield
        except Unavailable as problem:
            if problem.code == "io_error":
                self.broken = problem.message
                self.engine.dispose()
            raise


def _let_go(connection: Connection) -> None:
    """End a read transaction; a connection that cannot be made writable again is thrown away."""
    try:
        connection.rollback()
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only=OFF")
    except BaseException:
        connection.invalidate()
        raise


@contextmanager
def told(what: str, url: str) -> Iterator[None]:
    """Turn a database that does not answer into one sentence; the URL's password never shows. `what`: its contents."""
    try:
        yield
    except PoolTimeout:
        raise _busy(what) from None
    except (OperationalError, InterfaceError) as problem:
        text = str(problem.orig).strip().splitlines()[0]
        if "is locked" in text or "deadlock" in text or "could not serialize" in text:
            raise _busy(what) from None
        if "full" in text or "No space left" in text:
            hint = "free space; nothing was written"
            raise Unavailable(f"the disk that holds the {what} is full", hint, code="disk_full") from None
        code = "io_error" if _FATAL in text else ""
        raise Unavailable(f"the {what} cannot be used: {text}", f"check {_safe(url)}", code=code) from None


def _busy(what: str) -> Unavailable:
    return Unavailable(f"the {what} are busy", "another transaction holds them; try again", code="busy")


def _safe(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _in_memory(url: str) -> bool:
    return url in ("sqlite://", "sqlite:///:memory:")


def engine_of(url: str) -> Engine:
    """Build an engine with our settings. Raises InvalidInput for another database, MissingExtra without its driver."""
    if url.startswith("sqlite"):
        return _sqlite(url)
    if not url.startswith("postgresql"):
        raise InvalidInput("the records live in SQLite or PostgreSQL", "sqlite:////folder/records.db or postgresql://…")
    address = url.replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        return create_engine(address, pool_pre_ping=True, pool_size=8, max_overflow=8, pool_timeout=BUSY_S)
    except ModuleNotFoundError as problem:
        raise plugins.missing(problem.name or "psycopg", "PostgreSQL") from None
    except ArgumentError:
        raise InvalidInput(
            "the address of the database cannot be read", "postgresql://user:password@host/name"
        ) from None


def _sqlite(url: str) -> Engine:
    memory = _in_memory(url)
    if not memory:
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"poolclass": StaticPool} if memory else {"pool_timeout": BUSY_S}
    engine = create_engine(
        url, connect_args={"timeout": BUSY_S, "check_same_thread": False, "isolation_level": None}, **options
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        try:
            _settle_in(connection)
        except BaseException:
            connection.close()
            raise

    return engine


def _settle_in(connection: Any) -> None:
    """Set up a new SQLite connection.

    EXTRA is FULL plus a sync of the folder once the journal is gone: with FULL alone, a power loss right after a commit
    could bring the journal back, and with it the state before.
    """
    with closing(connection.cursor()) as cursor:
        mode = cursor.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
        for pragma in ("synchronous=EXTRA", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
    if mode not in ("delete", "memory"):
        raise InvalidInput(
            f"the records are in SQLite's {mode} mode, held there by another program",
            "end that program: two writers in that mode can corrupt the file",
        )
