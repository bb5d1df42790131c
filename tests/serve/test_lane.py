"""Places for calls: never more at once than allowed, keys take turns, whoever gives up leaves nothing behind."""

from __future__ import annotations

import asyncio
import random

import pytest

from headgate.serve.calling.lane import Crowded, Lane


async def started(lane: Lane, key: str, order: list[str], queue: int = 100, wait_s: float = 5.0) -> asyncio.Task[None]:
    async def work() -> None:
        await lane.enter(key, 1, queue, wait_s)
        order.append(key)
        await asyncio.sleep(0)
        lane.leave()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    return task


async def test_keys_take_turns_whoever_came_first() -> None:
    lane, order = Lane(), list[str]()
    await lane.enter("x", 1, 0, 1.0)
    tasks = [await started(lane, key, order) for key in "aaaabbc"]
    lane.leave()
    await asyncio.gather(*tasks)
    assert "".join(order) == "abcabaa"
    assert (lane.active, lane.waiting) == (0, 0)


async def test_a_full_queue_turns_away_and_says_when_to_come_back() -> None:
    lane, order = Lane(), list[str]()
    await lane.enter("x", 1, 0, 1.0)
    tasks = [await started(lane, "a", order, queue=2) for _ in range(2)]
    with pytest.raises(Crowded) as caught:
        await lane.enter("a", 1, 2, 3.2)
    assert (caught.value.code, caught.value.retry_after, caught.value.status) == ("queue_full", 4, 503)
    lane.leave()
    await asyncio.gather(*tasks)


async def test_one_key_cannot_keep_the_queue_for_itself() -> None:
    lane, order = Lane(), list[str]()
    await lane.enter("x", 1, 0, 1.0)
    greedy = [await started(lane, "greedy", order, queue=4) for _ in range(4)]
    modest = await started(lane, "modest", order, queue=4)
    with pytest.raises(Crowded):
        await greedy[-1]
    lane.leave()
    await asyncio.gather(*greedy[:3], modest)
    assert order == ["greedy", "modest", "greedy", "greedy"]


async def test_a_wait_has_an_end() -> None:
    lane = Lane()
    await lane.enter("a", 1, 0, 1.0)
    with pytest.raises(Crowded) as caught:
        await lane.enter("b", 1, 5, 0.01)
    assert caught.value.code == "queue_timeout"
    assert (lane.active, lane.waiting) == (1, 0)


async def test_a_higher_limit_does_not_wait_for_a_lower_one() -> None:
    lane = Lane()
    await lane.enter("a", 2, 0, 1.0)
    await lane.enter("a", 2, 0, 1.0)
    low = asyncio.create_task(lane.enter("a", 1, 5, 5.0))
    high = asyncio.create_task(lane.enter("b", 2, 5, 5.0))
    await asyncio.sleep(0)
    lane.leave()
    await high
    assert not low.done()
    lane.leave()
    lane.leave()
    await low
    assert lane.active == 1


async def test_ten_thousand_cancels_leave_no_place_taken() -> None:
    lane, chance, most = Lane(), random.Random(7), 0

    async def work(key: str) -> None:
        nonlocal most
        await lane.enter(key, 8, 64, 0.02)
        try:
            most = max(most, lane.active)
            await asyncio.sleep(chance.choice([0, 0, 0.001]))
        finally:
            lane.leave()

    for _ in range(50):
        tasks = [asyncio.create_task(work(chance.choice("abcde"))) for _ in range(200)]
        for task in tasks:
            if chance.random() < 0.1:
                await asyncio.sleep(0)
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(end is None or isinstance(end, asyncio.CancelledError | Crowded) for end in ends)
    assert (lane.active, lane.waiting) == (0, 0)
    assert 1 <= most <= 8
    await lane.enter("a", 1, 0, 1.0)
