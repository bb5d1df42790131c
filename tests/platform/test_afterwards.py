"""What follows an answer is done soon, in order, several at once, and all of it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from headgate.platform.gateway.afterwards import Afterwards


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_it_lets_the_loop_turn_and_keeps_the_order() -> None:
    later, done = Afterwards(), list[int]()
    for number in range(3):
        later(done.append, number)
    await turns(1)
    assert done == []
    later(done.append, 3)
    await turns(2)
    assert done == [0, 1, 2, 3], "what came meanwhile is done with the rest"
    later(done.append, 4)
    await turns(3)
    assert done == [0, 1, 2, 3, 4], "once nothing waits it begins again"


async def test_whoever_looks_has_all_of_it() -> None:
    later, done = Afterwards(), list[int]()
    later(done.append, 1)
    later.catch_up()
    assert done == [1]
    later.catch_up()
    await turns(3)
    assert done == [1], "and once only"


async def test_what_fails_keeps_nothing_else_from_being_done(caplog: pytest.LogCaptureFixture) -> None:
    later, done = Afterwards(), list[int]()
    later(done.append, 1)
    later(int, "no number")
    later(done.append, 2)
    with caplog.at_level(logging.ERROR):
        later.catch_up()
    assert done == [1, 2]
    assert [record.message for record in caplog.records] == ["what follows an answer failed"]


async def test_work_may_bring_more_work() -> None:
    later, done = Afterwards(), list[str]()
    later(later, done.append, "then")
    later.catch_up()
    assert done == []
    await turns(3)
    assert done == ["then"]
