"""How the span file is opened: one connection that writes, others that only can read. Called by `spans`."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event, inspect
from sqlalchemy.pool import QueuePool, StaticPool

from headgate.kernel import InvalidInput, Unavailable
from headgate.store.records import told

_BUSY_S = 10
_PAGE = 16_384
"""Bytes: rows with a conversation (2 to 5 KB) leave half of the usual 4 KB empty, and every page is written twice."""


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def memory() -> Engine:
    return create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


def reading(file: Path) -> Engine:
    """Return an engine whose connections can only read: they neither write the log nor checkpoint it."""

    def connect() -> sqlite3.Connection:
        address = f"file:{quote(str(file.absolute()))}?mode=ro"
        return sqlite3.connect(address, uri=True, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, max_overflow=12)


def writing(file: Path) -> Engine:
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
        cursor.execute(f"PRAGMA page_size={_PAGE}")  # of a new file: the size of an old one stays
        mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()
        if mode != "wal":
            raise Unavailable(f"{file} cannot be written with a write-ahead log", "put it on a local disk")

    return engine


def refuse_records(file: Path, reads: Engine) -> None:
    """Raise InvalidInput for a file of records, before anything in it is changed."""
    if file.exists():
        with told("traces", f"sqlite:///{file}"), reads.connect() as connection:
            if inspect(connection).has_table("alembic_version"):
                hint = "they need a file of their own: spans.db"
                raise InvalidInput("traces cannot be stored in the records' file", hint)
