"""Two gateways on one PostgreSQL: no answer mixes releases (P6), both follow a promotion, a rollback is quick (P7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.gateways import NAMES, STATUSES, Load, Move, Project, Seen, Server, done, move, serving

from headgate.platform import live_server
from headgate.store import SpanQuery, Spans

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]
REQUESTS, FLIPS, ROLLBACKS, CONNECTIONS = 100_000, 200, 50, 8


@pytest.fixture
def servers(project: Project, tmp_path: Path) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(project, tmp_path / f"{name}.log")) for name in ("first", "second")]


async def test_no_answer_is_a_mix_of_two_releases(project: Project, servers: list[Server]) -> None:
    digests = list(project.names)
    load, seen = Load(project.names), {server.port: Seen() for server in servers}

    def flips() -> list[Move]:
        moves = []
        for number in range(FLIPS):
            operation = "release.rollback" if number % 2 else "release.promote"
            moves.append(move(load, servers, seen, number // 2, operation, digests[(number + 1) % 2]))
            due = REQUESTS * (number + 1) // FLIPS
            load.wait(partial(asked_for, seen, due), f"request {due} is answered", 120)
        return moves

    moves = await load.during(seen, CONNECTIONS, flips)
    assert [wrong for at in seen.values() for wrong in at.wrong[:3]] == []
    assert done(seen) >= REQUESTS
    assert len(moves) == FLIPS
    for at in seen.values():
        assert set(at.by_status) == set(STATUSES)
        assert min(at.by_release[digest] for digest in digests) > REQUESTS / 20, "each gateway served both"
    assert max(found.shown for found in moves) <= 1.0, sorted(found.shown for found in moves)[-5:]
    check_traces(project, servers, done(seen))


def asked_for(seen: dict[int, Seen], number: int) -> bool:
    return done(seen) >= number


def check_traces(project: Project, servers: list[Server], asked: int) -> None:
    """Every request of both gateways was recorded once, and its record agrees with its release."""
    for server in servers:
        server.process.terminate()
        server.process.wait(40)
    spans = Spans(project.environment["HEADGATE_SPANS"], writer=False)
    try:
        records = spans.find(SpanQuery("acme", limit=asked + 1, payload=True))
    finally:
        spans.close()
    assert len(records) == asked
    assert len({record.trace_id for record in records}) == asked
    other = {digest: f"rel-{NAMES[1 - NAMES.index(name)]}" for digest, name in project.names.items()}
    assert [record.trace_id for record in records if other[record.release] in str(record.payload)][:3] == []


@pytest.mark.parametrize("down", [False, True], ids=["all is well", "the provider is down"])
async def test_a_rollback_is_over_in_two_seconds(
    project: Project, servers: list[Server], tmp_path: Path, down: bool
) -> None:
    """From the call to the last answer of the old release on both gateways; the worst of 50 is its p99."""
    digests = list(project.names)
    if down:
        (tmp_path / "down").touch()

    load, seen = Load(project.names), {server.port: Seen() for server in servers}

    def rollbacks() -> list[Move]:
        moves = []
        for number in range(ROLLBACKS):
            move(load, servers, seen, number // 2, "release.promote", digests[1])
            moves.append(move(load, servers, seen, number, "release.rollback", digests[0]))
        return moves

    moves = await load.during(seen, CONNECTIONS, rollbacks)
    assert [wrong for at in seen.values() for wrong in at.wrong[:3]] == []
    assert len(moves) == ROLLBACKS
    assert max(found.gone for found in moves) <= 2.0, sorted(found.gone for found in moves)[-5:]
    if down:
        assert all("answered" not in at.by_status for at in seen.values())


def test_commands_find_whichever_gateway_lives(project: Project, tmp_path: Path) -> None:
    """The note of a server that ends, or that was killed, does not hide the other one."""
    note = project.root / ".headgate" / "server.json"

    def found() -> Any:
        server = live_server(note)
        return server and server.pid

    with serving(project, tmp_path / "first.log") as first:
        with serving(project, tmp_path / "second.log") as second:
            assert found() == second.process.pid
        assert found() == first.process.pid
        with serving(project, tmp_path / "third.log") as third:
            third.process.kill()
            third.process.wait()
            assert found() == first.process.pid
            assert project.headgate("environment", "show")["environments"]
    assert found() is None
    with serving(project, tmp_path / "fourth.log") as fourth:
        assert found() == fourth.process.pid
    assert list(note.parent.glob("server*.json")) == []
