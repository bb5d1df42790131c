"""Gateways that share records: they count each other and pass on which targets to leave alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from headgate.platform.gateway.peers import ALIVE_S, Peers
from headgate.serve import Purse, Targets
from headgate.serve.calling.breaker import Outcome
from headgate.store import Records, peers
from headgate.testing import FakeClock

NAME = "east/large"


def peer(records: Records, clock: FakeClock, least: int = 1) -> Peers:
    return Peers(records, "acme", Targets(clock.monotonic), Purse(records, clock), clock.monotonic, least)


def fail(found: Peers) -> None:
    target = found.targets.of(NAME)
    for _ in range(10):
        admission = target.admit()
        assert admission is not None
        target.settle(admission, Outcome.FAILED)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  it is another process's news
            await asyncio.sleep(0.01)


async def test_they_count_each_other(records: Records, clock: FakeClock) -> None:
    found = [peer(records, clock) for _ in range(3)]
    for each in found * 2:
        await each.exchange()
    assert [each.purse.workers for each in found] == [3, 3, 3]
    await found[0].close()
    await found[1].exchange()
    assert found[1].purse.workers == 2


async def test_siblings_count_before_they_were_heard(records: Records, clock: FakeClock) -> None:
    found = peer(records, clock, least=4)
    found.start()
    assert found.purse.workers == 4
    await found.exchange()
    assert found.purse.workers == 4
    await found.close()


async def test_news_is_told_at_once_and_the_rest_now_and_then(records: Records, clock: FakeClock) -> None:
    one, two = peer(records, clock), peer(records, clock)
    await one.exchange()
    fail(one)
    await one.exchange()
    await two.exchange()
    assert two.targets.of(NAME).blocked() == "breaker_open"
    with records.begin() as tx:
        peers.leave(tx, "acme", one.id)
    await one.exchange()
    await two.exchange()
    assert two.purse.workers == 1, "nothing was news, so nothing was written"
    assert not two.targets.of(NAME).blocked(), "and what nobody speaks of is free"
    clock.advance(ALIVE_S / 3)
    await one.exchange()
    await two.exchange()
    assert two.purse.workers == 2


@pytest.mark.parametrize(
    "rows", [[{"no": "target"}], [{"target": NAME, "open_s": -1}], [{"target": NAME, "open_s": "inf"}], {"a": 1}, "x"]
)
async def test_what_cannot_be_read_is_passed_over(records: Records, clock: FakeClock, rows: object) -> None:
    found = peer(records, clock)
    with records.begin() as tx:
        peers.tell(tx, "acme", "newer", rows)  # type: ignore[arg-type]
    await found.exchange()
    assert found.purse.workers == 2
    clock.advance(61)
    assert not found.targets.of(NAME).blocked()


async def test_one_who_says_more_is_understood(records: Records, clock: FakeClock) -> None:
    found = peer(records, clock)
    with records.begin() as tx:
        peers.tell(tx, "acme", "newer", [{"target": NAME, "state": "melted", "open_s": 9, "mood": "bad"}])
    await found.exchange()
    assert found.targets.of(NAME).blocked() == "breaker_open"


async def test_a_database_that_is_away_changes_nothing(records: Records, clock: FakeClock) -> None:
    one, two = peer(records, clock), peer(records, clock)
    fail(one)
    await one.exchange()
    await two.exchange()
    two.records = Records("postgresql+psycopg://nobody@127.0.0.1:9/none")
    two.start()
    await asyncio.sleep(0.3)
    assert two.targets.of(NAME).blocked() == "breaker_open"
    assert two.purse.workers == 2
    await two.close()
    two.records.close()


async def test_the_beat_carries_it(records: Records, clock: FakeClock) -> None:
    one, two = peer(records, clock), peer(records, clock)
    one.start()
    two.start()
    fail(one)
    await until(lambda: bool(two.targets.of(NAME).blocked()))
    await one.close()
    await until(lambda: not two.targets.of(NAME).blocked())
    await two.close()
