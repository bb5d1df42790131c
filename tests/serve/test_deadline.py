"""A time limit that moves: it ends what is late, spares what is not, and leaves cancellations from outside alone."""

from __future__ import annotations

import asyncio

import pytest

from headgate.serve.calling.deadline import Deadline


async def test_what_is_late_ends_with_a_timeout() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError), Deadline(loop, loop.time() + 0.02):
        await asyncio.sleep(5)
    await asyncio.sleep(0)
    assert not asyncio.current_task().cancelling()  # type: ignore[union-attr]


async def test_moved_later_it_waits_and_moved_earlier_it_does_not() -> None:
    loop = asyncio.get_running_loop()
    with Deadline(loop, loop.time() + 0.02) as limit:
        limit.move(loop.time() + 60)
        await asyncio.sleep(0.06)
        limit.move(float("inf"))
        await asyncio.sleep(0.01)
    began = loop.time()

    async def late() -> None:
        with Deadline(loop, loop.time() + 60) as limit:
            limit.move(float("inf"))
            limit.move(loop.time() + 0.02)
            await asyncio.sleep(5)

    with pytest.raises(TimeoutError):
        await late()
    assert loop.time() - began < 4


async def test_a_cancellation_from_outside_stays_one() -> None:
    loop = asyncio.get_running_loop()

    async def work() -> None:
        with Deadline(loop, loop.time() + 60):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_both_at_once_is_a_cancellation() -> None:
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        with Deadline(loop, loop.time() + 0.01):
            loop.call_at(loop.time() + 0.01, tasks[0].cancel)
            await asyncio.sleep(60)

    tasks.append(asyncio.create_task(work()))
    with pytest.raises((asyncio.CancelledError, TimeoutError)):
        await tasks[0]
    assert tasks[0].done()


async def test_what_was_raised_inside_is_what_comes_out() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(KeyError), Deadline(loop, loop.time() + 60):
        raise KeyError("x")
