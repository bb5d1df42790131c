"""Chains with rules: deadlines, budgets for retries, breakers, rests, weights and places, as one request meets them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from msgspec import structs
from tests.serve.conftest import World, end

from headgate.kernel import Answer, InvalidInput
from headgate.models import Call, Delta, End, Price, ProviderError
from headgate.serve import Purse, Targets, execute
from headgate.serve.calling.breaker import COOL_S, VOLUME
from headgate.serve.calling.lane import Crowded
from headgate.serve.calling.retries import FLOOR
from headgate.testing import FakeClock

ASK = "Hello there"
LLMS = "llms: {main: [one/model, two/model]}"
SAFE = "A person will answer you."


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ruled(world: World, clock: FakeClock) -> Callable[..., World]:
    """Build the project with other `llms:`, and targets that are remembered on a clock of the test's own."""

    def build(llms: str = LLMS) -> World:
        if llms != LLMS:
            world.edit("apps/support.yaml", LLMS, llms)
        return world.build().around(targets=Targets(clock.monotonic))

    return build


def attempts(given: Answer) -> list[dict[str, Any]]:
    stage = next(stage for stage in given.stages if stage.name == "generate")
    return list(stage.facts["attempts"])


def ways(given: Answer) -> list[tuple[str, str]]:
    return [(attempt["target"], attempt.get("error", "")) for attempt in attempts(given)]


def down() -> ProviderError:
    return ProviderError("down", code="provider_server", retryable=True, upstream_status=500)


def idle(world: World) -> bool:
    """Whether nothing is left of any call: no place taken, nobody waiting, nothing in flight."""
    targets = world.runtime.targets
    assert targets is not None
    return all(
        (hint.in_flight, hint.waiting, targets.of(hint.target).lane.active) == (0, 0, 0) for hint in targets.snapshot()
    )


def slow(*waits: float) -> Callable[[Call], AsyncIterator[Delta | End]]:
    async def speak(call: Call) -> AsyncIterator[Delta | End]:
        for turn, wait in enumerate(waits):
            await asyncio.sleep(wait)
            yield Delta(f"word{turn} ")
        yield end("word")

    return speak


# ── deadlines ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_first_token_that_does_not_come_leads_to_the_next_target(ruled: Callable[..., World]) -> None:
    world = ruled("llms: {main: {targets: [one/model, two/model], first_token: 30ms}}")
    world.one.says, world.two.says = [slow(5)], ["Hi!"]
    given = await world.ask(ASK, stream=True)
    assert ways(given) == [("one/model", "provider_timeout"), ("two/model", "")]
    assert given.latency_us < 2_000_000


async def test_a_first_token_in_time_may_be_followed_slowly(ruled: Callable[..., World]) -> None:
    world = ruled("llms: {main: {targets: [one/model, two/model], first_token: 100ms}}")
    world.one.says = [slow(0, 0.15, 0.15)]
    given = await world.ask(ASK, stream=True)
    assert given.text == "word0 word1 word2 "


async def test_silence_in_a_stream_ends_it(ruled: Callable[..., World]) -> None:
    world = ruled("llms: {main: {targets: [one/model, two/model], idle: 30ms}}")
    world.one.says = [slow(0, 5)]
    given = await world.ask(ASK, stream=True)
    assert given.status in ("error", "safe")
    assert not world.two.calls, "no failover after the first content"


async def test_a_whole_answer_has_no_first_token(ruled: Callable[..., World]) -> None:
    world = ruled("llms: {main: {targets: [one/model, two/model], first_token: 20ms, idle: 20ms}}")
    world.one.says = [slow(0.1, 0.1)]
    given = await world.ask(ASK)
    assert given.text == "word0 word1 "


async def test_the_total_bounds_all_targets_together(ruled: Callable[..., World]) -> None:
    world = ruled("llms: {main: {targets: [one/model, two/model], total: 100ms}}")
    world.one.says, world.two.says = [down(), slow(5)], [slow(5)]
    given = await world.ask(ASK)
    assert (given.status, given.reason) == ("safe", "provider_timeout")
    assert 90_000 <= given.latency_us < 1_500_000


async def test_a_target_that_is_left_no_time_is_not_blamed(ruled: Callable[..., World]) -> None:
    rules = "total: 120ms, limits: {one/model: {total: 90ms}, two/model: {total: 20s}}"
    world = ruled(f"llms: {{main: {{targets: [one/model, two/model], {rules}}}}}")
    world.one.says = world.two.says = [slow(5)]
    await asyncio.gather(*(answered(world) for _ in range(VOLUME)))
    assert world.runtime.targets is not None
    assert [hint.state for hint in world.runtime.targets.snapshot()] == ["open", "closed"]
    assert len(world.two.calls) == VOLUME


async def test_a_target_may_have_rules_of_its_own(ruled: Callable[..., World]) -> None:
    world = ruled("llms: {main: {targets: [one/model, two/model], total: 20s, limits: {one/model: {total: 30ms}}}}")
    world.one.says, world.two.says = [slow(5)], [slow(0.1)]
    given = await world.ask(ASK)
    assert ways(given) == [("one/model", "provider_timeout"), ("two/model", "")]
    assert world.one.calls[0].timeout_s == pytest.approx(0.03)
    assert world.two.calls[0].timeout_s == pytest.approx(20, abs=1)


# ── retries and rests ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (3, 4)])
async def test_how_often_a_target_is_asked_again_is_said_by_the_chain(
    ruled: Callable[..., World], retries: int, calls: int
) -> None:
    world = ruled(f"llms: {{main: {{targets: [one/model, two/model], retries: {retries}}}}}")
    world.one.says, world.two.says = [down()], ["Hi!"]
    assert (await world.ask(ASK)).attempts == calls + 1
    assert len(world.one.calls) == calls


async def test_in_an_outage_retries_stop_and_the_trace_says_so(ruled: Callable[..., World], clock: FakeClock) -> None:
    world = ruled()
    assert world.runtime.targets is not None
    retried = 0
    while world.runtime.targets.of("one/model").may_retry():
        retried += 1
    assert retried == FLOOR
    world.one.says, world.two.says = [down()], ["Hi!"]
    given = await world.ask(ASK)
    assert ways(given) == [("one/model", "provider_server"), ("two/model", "")]
    assert attempts(given)[0]["retry"] == "budget_exhausted"
    clock.advance(12)
    assert len(attempts(await world.ask(ASK))) == 3


async def test_a_rest_that_the_provider_asks_for_is_remembered(ruled: Callable[..., World], clock: FakeClock) -> None:
    world = ruled()
    limited = ProviderError("no", code="provider_rate_limit", retryable=True, retry_after=60, upstream_status=429)
    world.one.says, world.two.says = [limited, "Back!"], ["Hi!"]
    await world.ask(ASK)
    second = await world.ask(ASK)
    assert (ways(second), second.attempts) == ([("one/model", "rate_limited"), ("two/model", "")], 1)
    assert attempts(second)[0].get("cost_nano", 0) == 0
    clock.advance(60)
    assert (await world.ask(ASK)).text == "Back!"


async def test_a_rest_is_kept_also_when_there_is_nobody_else(ruled: Callable[..., World]) -> None:
    world = ruled("llms: {main: [one/model]}")
    world.one.says = [ProviderError("no", code="provider_rate_limit", retry_after=60, upstream_status=429)]
    await world.ask(ASK)
    given = await world.ask(ASK)
    assert (given.status, given.reason, given.text) == ("safe", "provider_rate_limit", SAFE)
    assert len(world.one.calls) == 1


async def test_a_short_rest_is_waited_for_when_there_is_nobody_else(ruled: Callable[..., World]) -> None:
    world = ruled("llms: {main: [one/model]}")
    assert world.runtime.targets is not None
    world.runtime.targets.of("one/model").rest(0.05)
    world.one.says = ["Hi!"]
    given = await world.ask(ASK)
    assert given.text == "Hi!"
    assert given.latency_us >= 50_000


# ── breakers ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def broken(world: World) -> None:
    """Let the first target fail until its breaker opens."""
    world.one.says, world.two.says = [ProviderError("no", code="provider_server")], ["Hi!"]
    for _ in range(VOLUME):
        await world.ask(ASK)


async def test_a_target_that_fails_is_left_alone_and_probed(ruled: Callable[..., World], clock: FakeClock) -> None:
    world = ruled()
    await broken(world)
    given = await world.ask(ASK)
    assert (ways(given), given.attempts) == ([("one/model", "breaker_open"), ("two/model", "")], 1)
    assert len(world.one.calls) == VOLUME
    clock.advance(COOL_S)
    world.one.says = ["Well again!"]
    given = await world.ask(ASK)
    assert given.text == "Well again!"
    assert attempts(given)[0]["probe"] is True
    assert "probe" not in attempts(await world.ask(ASK))[0]
    assert idle(world)


async def test_when_all_breakers_are_open_the_least_bad_is_probed(
    ruled: Callable[..., World], clock: FakeClock
) -> None:
    world = ruled()
    await broken(world)
    clock.advance(1)
    world.two.says = [ProviderError("no", code="provider_server")]
    for _ in range(2 * VOLUME):
        await world.ask(ASK)
    world.one.says, world.two.says = ["One!"], ["Two!"]
    given = await world.ask(ASK)
    assert given.text in ("One!", "Two!")
    assert attempts(given)[-1]["probe"] is True


async def test_what_the_client_did_wrong_opens_no_breaker(ruled: Callable[..., World]) -> None:
    world = ruled()
    world.one.says = [ProviderError("bad", code="provider_rejected"), ProviderError("no", code="content_filter")]
    for _ in range(3 * VOLUME):
        await world.ask(ASK)
    assert len(world.one.calls) == 3 * VOLUME


async def test_evaluation_remembers_nothing_between_cases(world: World) -> None:
    world.build()
    await broken(world)
    await world.ask(ASK)
    assert len(world.one.calls) == VOLUME + 1


# ── weights ──────────────────────────────────────────────────────────────────────────────────────────────────────

EQUAL = "llms: {main: [{any: [{one/model: 3}, {two/model: 1}]}]}"


async def test_equal_targets_share_by_weight(ruled: Callable[..., World]) -> None:
    world = ruled(EQUAL)
    world.one.says, world.two.says = ["Hi!"], ["Hi!"]
    for _ in range(200):
        await world.ask(ASK)
    assert 125 <= len(world.one.calls) <= 175
    assert len(world.two.calls) == 200 - len(world.one.calls)


async def test_a_session_stays_where_it_is(ruled: Callable[..., World]) -> None:
    world = ruled(EQUAL)
    world.one.says, world.two.says = ["Hi!"], ["Hi!"]
    for name in range(12):
        found = set()
        for _ in range(4):
            request = structs.replace(world.request(ASK), session=f"s{name}")
            found.add((await execute(world.snapshot, request, world.runtime)).model)
        assert len(found) == 1


async def test_equals_are_each_others_fallback(ruled: Callable[..., World]) -> None:
    world = ruled(EQUAL)
    world.one.says, world.two.says = [ProviderError("no")], ["Hi!"]
    assert {(await world.ask(ASK)).model for _ in range(20)} == {"two/model"}


async def test_a_case_of_an_evaluation_always_asks_the_same(world: World) -> None:
    world.edit("apps/support.yaml", LLMS, EQUAL)
    world.build().around(source="evaluation")
    world.one.says, world.two.says = ["Hi!"], ["Hi!"]
    assert len({(await world.ask(ASK)).model for _ in range(12)}) == 1


# ── places ───────────────────────────────────────────────────────────────────────────────────────────────────────


def narrow(targets: str, **rules: Any) -> str:
    told = ", ".join(f"{name}: {value}" for name, value in rules.items())
    return f"llms: {{main: {{targets: [{targets}], limits: {{one/model: {{{told}}}}}}}}}"


async def test_never_more_calls_at_once_than_the_target_bears(ruled: Callable[..., World]) -> None:
    world = ruled(narrow("one/model", concurrent=3, wait="10s"))
    now = most = 0

    async def count(call: Call) -> AsyncIterator[Delta | End]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1
        yield Delta("Hi!")
        yield end("Hi!")

    world.one.says = [count]
    given = await asyncio.gather(*(answered(world) for _ in range(30)))
    assert most == 3
    assert all(one.text == "Hi!" for one in given)
    queued = [attempts(one)[0].get("queued_ms", 0) for one in given]
    assert sum(wait > 0 for wait in queued) == 27
    assert idle(world)


async def answered(world: World, key: str = "k1") -> Answer:
    request = structs.replace(world.request(ASK), key_id=key)
    return await execute(world.snapshot, request, world.runtime)


async def test_whoever_finds_no_place_goes_to_the_next_target(ruled: Callable[..., World]) -> None:
    world = ruled(narrow("one/model, two/model", concurrent=1, queue=0))
    world.one.says, world.two.says = [slow(0.05)], ["Hi!"]
    given = await asyncio.gather(*(answered(world) for _ in range(3)))
    assert Counter(one.model for one in given) == {"one/model": 1, "two/model": 2}
    assert ("one/model", "queue_full") in ways(given[-1])


@pytest.mark.parametrize(("rules", "code"), [({"queue": 0}, "queue_full"), ({"wait": "20ms"}, "queue_timeout")])
async def test_when_nobody_has_a_place_the_client_is_told_when_to_come_back(
    ruled: Callable[..., World], rules: dict[str, Any], code: str
) -> None:
    world = ruled(narrow("one/model", concurrent=1, **rules))
    world.one.says = [slow(0.3)]
    first = asyncio.create_task(answered(world))
    await asyncio.sleep(0.02)
    with pytest.raises(Crowded) as caught:
        await world.ask(ASK, stream=True)
    assert (caught.value.status, caught.value.code) == (503, code)
    assert caught.value.retry_after >= 1
    assert (world.recorder.last.reason, world.recorder.last.http_status) == (code, 503)
    assert (await first).status == "answered"
    assert idle(world)


# ── what is left behind ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("rules", ["", ", hedge: 1ms", ", limits: {one/model: {concurrent: 8, queue: 500}}"])
async def test_ten_thousand_clients_that_leave_take_nothing_with_them(ruled: Callable[..., World], rules: str) -> None:
    world = ruled(f"llms: {{main: {{targets: [one/model, two/model]{rules}}}}}")
    open_calls = 0

    async def hold(call: Call) -> AsyncIterator[Delta | End]:
        nonlocal open_calls
        open_calls += 1
        try:
            yield Delta("Hello there, this is a text that is long enough to leave at once. ")
            await asyncio.sleep(30)
            yield end("never")
        finally:
            open_calls -= 1

    world.one.says = world.two.says = [hold]

    async def leave(turn: int) -> None:
        task = asyncio.create_task(answered(world, f"k{turn % 7}"))
        for _ in range(turn % 9):
            await asyncio.sleep(0)
        if turn % 50 == 0:
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])

    total = 10_000 if not rules else 2_000
    for start in range(0, total, 200):
        await asyncio.gather(*(leave(turn) for turn in range(start, start + 200)))
    assert open_calls == 0
    assert idle(world)
    assert world.recorder.last.reason == "client_left"


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rules", ["", ", retries: 3", ", hedge: 5ms", ", hedge: 5ms, retries: 2"])
async def test_whatever_happens_costs_no_more_than_was_reserved(
    world: World, ruled: Callable[..., World], rules: str
) -> None:
    world.edit("contracts/support.yaml", "evidence:", "cost: {per_day: $100000}\nevidence:")
    ruled(f"llms: {{main: {{targets: [one/model, two/model]{rules}}}}}")
    purse = Purse(world.records, world.runtime.clock)
    world.around(purse=purse)
    world.one.cost = world.two.cost = Price(input="$10", output="$100")
    faults = [[Delta("x" * 40), down()], slow(0.02), down(), slow(0.01, 0.01)]
    for says in (faults, faults[::-1], [down()], [slow(0.02)]):
        world.one.says = world.two.says = says
        world.one.calls.clear()
        world.two.calls.clear()
        for _ in range(3):
            given = await world.ask(ASK, stream=True)
            reserved = next(stage.facts["bound_nano"] for stage in given.stages if stage.name == "reserve")
            assert given.cost_nano <= reserved
            assert given.cost_nano == sum(attempt.get("cost_nano", 0) for attempt in attempts(given))
    await purse.close()
    assert idle(world)


# ── what apps may write ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("llms", "said"),
    [
        ("llms: {main: {targets: [one/model], hegde: 1s}}", "hedge"),
        ("llms: {main: {targets: [one/model], hedge: 1s}}", "second target"),
        ("llms: {main: {targets: [one/model], first_token: soon}}", "duration"),
        ("llms: {main: {targets: [one/model], total: 0s}}", "longer than nothing"),
        ("llms: {main: {targets: [one/model], limits: {one/modle: {concurrent: 1}}}}", "one/model"),
        ("llms: {main: {targets: [one/model], limits: {one/model: {concurent: 1}}}}", "concurrent"),
        ("llms: {main: {targets: [one/model], retries: 9}}", "5"),
        ("llms: {main: {targets: []}}", "at least 1"),
        ("llms: {main: {hedge: 1s}}", "targets"),
        ("llms: {main: []}", "at least 1"),
        ("llms: {main: [{any: [one/model]}]}", "at least 2"),
        ("llms: {main: [{any: [{one/model: 0}, two/model]}]}", "expected 1 or more"),
        ("llms: {main: [{any: [{one/model: 1}, two]}]}", "names no model"),
        ("llms: {main: [{all: [one/model, two/model]}]}", "any"),
        ("llms: {main: 7}", "list"),
    ],
)
def test_what_is_wrong_with_a_chain_is_said_at_its_line(world: World, llms: str, said: str) -> None:
    world.edit("apps/support.yaml", LLMS, llms)
    with pytest.raises(InvalidInput) as caught:
        world.build()
    assert said in str(caught.value)
    assert str(caught.value).startswith("apps/support.yaml:9: llms")
    assert "tagged" not in str(caught.value)
