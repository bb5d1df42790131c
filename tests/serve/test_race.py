"""Hedging: the next target is asked when the first is silent, the first content wins, the other is paid and gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.serve.conftest import World, end
from tests.serve.test_course import ASK, attempts, clock, down, idle, ruled, slow, ways

from headgate.models import Call, Delta, End, Price, ProviderError
from headgate.serve import execute

__all__ = ["clock", "ruled"]

HEDGED = "llms: {main: {targets: [one/model, two/model], hedge: 40ms}}"


@pytest.fixture
def hedged(ruled: Callable[..., World]) -> World:
    world = ruled(HEDGED)
    world.one.cost = world.two.cost = Price(input="$10", output="$100")
    return world


def roles(given: Any) -> list[tuple[str, str]]:
    return [(attempt["target"], attempt.get("hedge", "")) for attempt in attempts(given)]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_target_that_answers_in_time_is_not_hedged(hedged: World, stream: bool) -> None:
    hedged.one.says = ["Hi there!"]
    given = await hedged.ask(ASK, stream)
    assert (given.text, roles(given)) == ("Hi there!", [("one/model", "")])
    assert not hedged.two.calls


@pytest.mark.parametrize("stream", [False, True])
async def test_the_next_target_wins_when_the_first_is_silent(hedged: World, stream: bool) -> None:
    left = asyncio.Event()

    async def silent(call: Call) -> AsyncIterator[Delta | End]:
        try:
            await asyncio.sleep(30)
            yield end()
        finally:
            left.set()

    hedged.one.says, hedged.two.says = [silent], ["Hi there!"]
    given = await hedged.ask(ASK, stream)
    assert (given.text, given.model, given.attempts) == ("Hi there!", "two/model", 2)
    assert roles(given) == [("one/model", "lost"), ("two/model", "won")]
    assert left.is_set(), "the loser is cancelled"
    assert given.latency_us < 5_000_000
    assert idle(hedged)


async def test_what_the_loser_used_is_paid_by_estimate(hedged: World) -> None:
    hedged.one.says, hedged.two.says = [slow(30)], ["Hi there!"]
    given = await hedged.ask(ASK)
    lost, won = attempts(given)
    assert lost["cost_nano"] > 0
    assert given.cost_nano == lost["cost_nano"] + won["cost_nano"]
    assert hedged.recorder.last.cost_nano == given.cost_nano


async def test_the_first_may_still_win(hedged: World) -> None:
    hedged.one.says, hedged.two.says = [slow(0.12)], [slow(30)]
    given = await hedged.ask(ASK)
    assert given.text == "word0 "
    assert roles(given) == [("one/model", "won"), ("two/model", "lost")]
    assert idle(hedged)


async def test_when_one_of_both_fails_the_other_goes_on(hedged: World) -> None:
    hedged.one.says, hedged.two.says = [slow(0.15)], [down()]
    given = await hedged.ask(ASK)
    assert given.text == "word0 "
    assert ways(given) == [("one/model", ""), ("two/model", "provider_server")]


async def test_a_first_that_fails_early_is_tried_again_as_always(hedged: World) -> None:
    hedged.one.says, hedged.two.says = [down(), "Again!"], ["Hi!"]
    given = await hedged.ask(ASK)
    assert (given.text, ways(given)) == ("Again!", [("one/model", "provider_server"), ("one/model", "")])


async def test_when_both_fail_each_is_asked_twice_at_most(hedged: World) -> None:
    async def fails(call: Call) -> AsyncIterator[Delta | End]:
        await asyncio.sleep(0.06)
        raise down()
        yield end()

    hedged.one.says = hedged.two.says = [fails]
    given = await hedged.ask(ASK)
    assert (given.status, given.reason) == ("safe", "provider_server")
    assert len(hedged.one.calls) <= 2
    assert len(hedged.two.calls) <= 2
    assert idle(hedged)


async def test_a_refusal_for_content_ends_both(hedged: World) -> None:
    async def refuses(call: Call) -> AsyncIterator[Delta | End]:
        await asyncio.sleep(0.08)
        raise ProviderError("no", code="content_filter")
        yield end()

    hedged.one.says, hedged.two.says = [refuses], [slow(30)]
    given = await hedged.ask(ASK)
    assert (given.status, given.reason) == ("refused", "content_filter")
    assert idle(hedged)


async def test_a_stream_that_has_begun_is_not_joined_by_the_other(hedged: World) -> None:
    hedged.one.says, hedged.two.says = [slow(0.08, 0.08, 0.08)], [slow(0.06, 0.01)]
    given = await hedged.ask(ASK, stream=True)
    assert given.text in ("word0 word1 word2 ", "word0 word1 ")
    hedged.one.says = [["Hello there. " * 20, down()]]
    hedged.two.calls.clear()
    given = await hedged.ask(ASK, stream=True)
    assert (given.status, given.finish_reason) == ("error", "error")
    assert not hedged.two.calls


async def test_hedged_calls_draw_on_the_retry_budget(hedged: World) -> None:
    assert hedged.runtime.targets is not None
    while hedged.runtime.targets.of("one/model").may_retry():
        pass
    hedged.one.says = [slow(0.1)]
    given = await hedged.ask(ASK)
    assert given.text == "word0 "
    assert roles(given) == [("one/model", "budget_exhausted")]
    assert not hedged.two.calls


async def test_both_calls_are_cancelled_when_the_client_leaves(hedged: World) -> None:
    hedged.one.says = hedged.two.says = [slow(30)]

    async def ask() -> None:
        await execute(hedged.snapshot, hedged.request(ASK), hedged.runtime)

    task = asyncio.create_task(ask())
    await asyncio.sleep(0.12)
    assert not idle(hedged)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert idle(hedged)
    last = hedged.recorder.last
    assert last.reason == "client_left"
    assert last.cost_nano > 0


async def test_waiting_for_two_is_not_our_overhead(hedged: World) -> None:
    hedged.one.says, hedged.two.says = [slow(30)], [slow(0.1)]
    given = await hedged.ask(ASK)
    assert given.latency_us >= 140_000
    assert given.overhead_us < given.latency_us - 100_000


async def test_a_call_that_will_not_be_cancelled_is_left_behind(hedged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.serve.calling.race._STOP_S", 0.05)
    release = asyncio.Event()

    async def stubborn(call: Call) -> AsyncIterator[Delta | End]:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        yield end()

    hedged.one.says, hedged.two.says = [stubborn], ["Hi there!"]
    given = await hedged.ask(ASK)
    assert given.text == "Hi there!"
    assert given.latency_us < 2_000_000
    assert idle(hedged)
    release.set()
    await asyncio.sleep(0.01)
    assert idle(hedged)
