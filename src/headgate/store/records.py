"""The records: SQLite or PostgreSQL behind transactions. Everybody above opens one, runs statements, and leaves it.

SQLite (decision 8): rollback journal, `synchronous=FULL`, `BEGIN IMMEDIATE` for writes. An fsync error surfaces as an
error of the commit and is never retried here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import Connection, CursorResult, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.base import Executable

from headgate.kernel import InvalidInput, Unavailable, plugins

from . import migration

Dialect = Literal["sqlite", "postgresql"]
_BUSY_S = 10


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


class Records:
    """A database of records, by URL: `sqlite:////abs/records.db`, `sqlite://` (memory), `postgresql+psycopg://…`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = engine_of(url)
        self.dialect = cast(Dialect, self.engine.dialect.name)

    def migrate(self) -> None:
        """Bring the schema to the newest version, one process at a time; a look is enough when it is there."""
        with _told(self.url):
            migration.migrate(self.engine)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """Open a write transaction. On SQLite it takes the write lock at once and waits up to 10 s for it."""
        with _told(self.url), self.engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            with connection.begin() if not connection.in_transaction() else _finishing(connection):
                yield Transaction(connection, self.dialect)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a read transaction: one consistent view, nothing is written."""
        with _told(self.url), self.engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield Transaction(connection, self.dialect)
            finally:
                connection.rollback()

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def _finishing(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn a database that does not answer into one sentence; the URL's password never shows."""
    try:
        yield
    except OperationalError as problem:
        text = str(problem.orig).strip().splitlines()[0]
        if "locked" in text:
            raise Unavailable("the records are busy", "another process holds them; try again", code="busy") from None
        if "full" in text:
            raise Unavailable("the disk that holds the records is full", "free space; nothing was written") from None
        raise Unavailable(f"the records cannot be used: {text}", f"check {_safe(url)}") from None


def _safe(url: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)


def engine_of(url: str) -> Engine:
    """Build an engine with our settings. Raises InvalidInput for another database, MissingExtra without its driver."""
    if url.startswith("sqlite"):
        return _sqlite(url)
    if not url.startswith("postgresql"):
        raise InvalidInput("the records live in SQLite or PostgreSQL", "sqlite:////folder/records.db or postgresql://…")
    address = url.replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        return create_engine(address, pool_pre_ping=True, pool_size=8, max_overflow=8)
    except ModuleNotFoundError as problem:
        raise plugins.missing(problem.name or "psycopg", "PostgreSQL") from None


def _sqlite(url: str) -> Engine:
    memory = url in ("sqlite://", "sqlite:///:memory:")
    if not memory:
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"poolclass": StaticPool} if memory else {}
    engine = create_engine(
        url, connect_args={"timeout": _BUSY_S, "check_same_thread": False, "isolation_level": None}, **options
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=DELETE", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_S * 1000}"):
            cursor.execute(f"PRAGMA {pragma}").fetchall()
        cursor.close()

    return engine
