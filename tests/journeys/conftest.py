"""The server that clients' journeys share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.journeys.clients import World, opened


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
