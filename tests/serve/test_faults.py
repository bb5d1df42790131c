"""P8 and P9 from a chain's point of view, over real sockets: whatever the first target does, there is one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, get_args

import pytest
from tests.serve.conftest import World

from headgate.kernel import Answer
from headgate.models import Providers
from headgate.serve import Targets, execute
from headgate.testing.upstream import Fault, Upstream, running

ASK = "Hello there"
LLMS = "llms: {main: [one/model, two/model]}"
RULED = "llms: {main: {targets: [one/model, two/model], first_token: 2s, idle: 300ms, total: 8s}}"
FAULTS = sorted(set(get_args(Fault)) - {"off"})
HARMLESS = {"drip", "no_done", "no_usage", "whole"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[str, Upstream]]:
    with running() as started:
        yield started


@pytest.fixture
def lab(world: World, upstream: tuple[str, Upstream]) -> World:
    """A chain whose first target is the stand-in over HTTP, and whose second is sound."""
    upstream[1].misbehave("off", 0)
    world.edit("apps/support.yaml", LLMS, RULED)
    entry = {"type": "openai", "base_url": upstream[0], "key": "k", "timeout": "300ms"}
    world.two.says = ["Hi from two!"]
    world.build().around(
        providers=Providers({"one": entry}, {"two": world.two}), targets=Targets(world.runtime.clock.monotonic)
    )
    return world


def clean(world: World) -> bool:
    targets: Any = world.runtime.targets
    provider: Any = world.runtime.providers.get("one")
    return provider.transport.active == 0 and all(hint.in_flight == 0 for hint in targets.snapshot())


def outcome(given: Answer) -> tuple[str, list[tuple[str, str]]]:
    stage = next(stage for stage in given.stages if stage.name == "generate")
    return given.status, [(item["target"], item.get("error", "")) for item in stage.facts["attempts"]]


def test_there_are_eighteen_faults_or_more() -> None:
    assert len(FAULTS) >= 18


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_ends_as_one_answer_and_leaves_no_connection(
    lab: World, upstream: tuple[str, Upstream], fault: Any, stream: bool
) -> None:
    upstream[1].misbehave(fault, 9)
    given = await lab.ask(ASK, stream)
    status, ways = outcome(given)
    assert given.latency_us < 9_000_000
    if fault in HARMLESS:
        assert (status, ways) == ("answered", [("one/model", "")])
    elif fault == "filtered":
        assert (status, ways) == ("refused", [("one/model", "content_filter")])
    elif ways[-1][0] == "two/model":
        assert (status, given.text) == ("answered", "Hi from two!")
        assert all(error for _, error in ways[:-1])
    else:  # content had come: nobody else may go on, and what is out stays out
        assert stream
        assert status in ("error", "safe")
        assert ways[-1][1]
    assert clean(lab)
    await lab.runtime.providers.close()


async def test_a_whole_answer_survives_every_fault_of_its_first_target(
    lab: World, upstream: tuple[str, Upstream]
) -> None:
    for fault in sorted(set(FAULTS) - HARMLESS - {"filtered", "long_line"}):
        lab.around(targets=Targets(lab.runtime.clock.monotonic))
        upstream[1].misbehave(fault, 9)
        given = await lab.ask(ASK)
        assert (fault, given.text) == (fault, "Hi from two!")
    await lab.runtime.providers.close()


@pytest.mark.slow
async def test_a_thousand_clients_that_leave_close_every_call_upstream(
    lab: World, upstream: tuple[str, Upstream]
) -> None:
    server = upstream[1]
    server.misbehave("stall", 10**9)
    before = server.left

    async def leave(turn: int, *, arrived: bool = False) -> None:
        async def ask() -> None:
            given = await execute(lab.snapshot, lab.request(ASK, stream=turn % 2 == 0), lab.runtime)
            assert given.status != "answered"

        task = asyncio.create_task(ask())
        while arrived and not server.active:  # noqa: ASYNC110  the server is in another thread
            await asyncio.sleep(0.001)
        await asyncio.sleep((turn % 10) * 0.004)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    await leave(0, arrived=True)  # on a busy machine all others may leave before their calls have arrived
    for start in range(0, 1_000, 50):
        await asyncio.gather(*(leave(turn) for turn in range(start, start + 50)))
    assert clean(lab)
    for _ in range(500):
        if not server.active:
            break
        await asyncio.sleep(0.01)
    assert server.active == 0
    assert server.left > before
    await lab.runtime.providers.close()
