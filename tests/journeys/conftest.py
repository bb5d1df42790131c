"""The server that clients' journeys share, and a project of two releases on PostgreSQL that gateways serve."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import Postgres
from tests.journeys.clients import World, opened
from tests.journeys.gateways import Project, build, copied

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One app for each wire of providers, behind one server with keys."""
    with opened(tmp_path_factory.mktemp("clients")) as found:
        yield found


@pytest.fixture
def _behaves(world: World) -> Iterator[None]:
    """The provider may misbehave in a test, and behaves again after it."""
    yield
    world.upstream.misbehave("off", 0)
    world.upstream.latency_s = 0.0


@contextmanager
def database(postgres: Postgres, name: str, template: str = "template1") -> Iterator[dict[str, str]]:
    """Make a database and say how a gateway finds it."""
    postgres.run(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield {"HEADGATE_DATABASE": postgres.url(name), "HEADGATE_SPANS": postgres.url(name)}
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def two_releases(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Two releases, the first one promoted; made once, by commands, which takes seconds."""
    with database(postgres, "two_releases") as settings:
        yield build(tmp_path_factory.mktemp("two-releases"), settings)


@contextmanager
def copy_of(two_releases: Project, postgres: Postgres, folder: Path) -> Iterator[Project]:
    with database(postgres, f"gateways_{next(_numbers)}", "two_releases") as settings:
        yield copied(two_releases, folder, settings)


@pytest.fixture
def project(two_releases: Project, postgres: Postgres, tmp_path: Path) -> Iterator[Project]:
    """The two releases in a folder and a database of this test."""
    with copy_of(two_releases, postgres, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def shared_project(
    two_releases: Project, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The same for the tests of a file that leave it as they found it."""
    with copy_of(two_releases, postgres, tmp_path_factory.mktemp("shared")) as found:
        yield found
