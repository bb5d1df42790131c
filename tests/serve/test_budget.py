"""The purse: decisions in memory, the truth in the ledger, nothing ever overspent."""

from __future__ import annotations

import asyncio

import pytest

from headgate.kernel import Exhausted, Rate, Unit
from headgate.serve.budget import FLOOR, LEASE_S, Purse
from headgate.store import Balance, Limit, Records, ledger

DOLLAR = 1_000_000_000
NOON = 1_700_049_600.0
DAY = "2023-11-15"


class Clock:
    """Time that stands still until it is told to move."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def stands(records: Records, scope: str = "app:support") -> Balance:
    with records.read() as tx:
        return ledger.balance(tx, "acme", scope, "cost", DAY)


def money(nano: int) -> dict[Unit, int]:
    return {"cost": nano}


def limits(purse: Purse, dollars: float) -> tuple[Limit, ...]:
    return (purse.limit("app:support", Rate("cost", "day", int(dollars * DOLLAR))),)


async def test_a_slice_is_an_eighth_and_then_decides_in_memory(records: Records) -> None:
    purse = Purse(records, Clock())
    lease = await purse.reserve("acme", limits(purse, 8), money(1_000))
    assert stands(records).reserved == DOLLAR
    for _ in range(50):
        (await purse.reserve("acme", limits(purse, 8), money(1_000))).settle(money(500))
    lease.settle(money(500))
    assert stands(records) == Balance(8 * DOLLAR, 0, DOLLAR)
    await purse.close()
    assert stands(records) == Balance(8 * DOLLAR, 51 * 500, 0)


async def test_below_the_floor_every_request_goes_to_the_ledger(records: Records) -> None:
    purse = Purse(records, Clock())
    small = limits(purse, 8 * (FLOOR["cost"] - 8) / DOLLAR)
    lease = await purse.reserve("acme", small, money(1_000))
    assert stands(records).reserved == 1_000
    lease.settle(money(10))
    await purse.close()
    assert stands(records).settled == 10
    assert stands(records).reserved == 0


async def test_what_is_used_up_says_so(records: Records) -> None:
    purse = Purse(records, Clock())
    (await purse.reserve("acme", limits(purse, 0.000001), money(900))).settle(money(900))
    with pytest.raises(Exhausted, match="budget of app support") as caught:
        await purse.reserve("acme", limits(purse, 0.000001), money(200))
    assert caught.value.retry_after > 0
    await purse.close()


def test_limits_are_named_for_the_minute_and_for_what_they_allow(records: Records) -> None:
    clock = Clock()
    purse = Purse(records, clock)
    rates = (Rate("requests", "minute", 5), Rate("cost", "day", 9), Rate("steps", "day", 3))
    minute, tomorrow = "2023-11-15T12:00", "2023-11-16"
    for _ in range(2):
        assert purse.on_asking((("app:a", rates),)) == (Limit("app:a", "cost", DAY, 9),)
        coming = (Limit("app:a", "requests", minute, 5), Limit("app:a", "steps", DAY, 3))
        assert purse.on_coming((("app:a", rates),)) == coming
    lower = (Rate("requests", "minute", 4),)
    both = purse.on_coming((("app:a", lower), ("team:t", lower)))
    assert both == (Limit("app:a", "requests", minute, 4), Limit("team:t", "requests", minute, 4))
    clock.at += 60
    assert purse.on_coming((("app:a", lower),)) == (Limit("app:a", "requests", "2023-11-15T12:01", 4),)
    clock.at += 86_400
    assert purse.on_asking((("app:a", rates),)) == (Limit("app:a", "cost", tomorrow, 9),)


async def test_each_limit_binds(records: Records) -> None:
    purse = Purse(records, Clock())
    both = (purse.limit("key:k1", Rate("cost", "day", 1_000)), purse.limit("app:support", Rate("cost", "day", DOLLAR)))
    (await purse.reserve("acme", both, money(800))).settle(money(800))
    with pytest.raises(Exhausted, match="key k1"):
        await purse.reserve("acme", both, money(800))
    await purse.close()
    assert stands(records).settled == 800


@pytest.mark.slow
async def test_two_hundred_at_once_never_spend_more_than_there_is(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.serve.budget.ASK_S", 60)
    clock = Clock()
    purses = [Purse(records, clock, workers=4) for _ in range(4)]
    spent = 0

    async def one(purse: Purse) -> None:
        nonlocal spent
        try:
            lease = await purse.reserve("acme", limits(purse, 0.2), money(2_000_000))
        except Exhausted:
            return
        await asyncio.sleep(0)
        spent += 1_500_000
        lease.settle(money(1_500_000))

    await asyncio.gather(*(one(purses[index % 4]) for index in range(200)))
    for purse in purses:
        await purse.close()
    found = stands(records)
    assert found.settled == spent <= 0.2 * DOLLAR
    assert found.reserved == 0
    assert spent > 0.12 * DOLLAR


async def test_a_client_that_leaves_while_money_is_fetched_leaves_nothing_reserved(records: Records) -> None:
    purse = Purse(records, Clock())
    for _ in range(20):
        waiting = asyncio.create_task(purse.reserve("acme", limits(purse, 8), money(1_000)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await purse.close()
    assert stands(records).reserved == 0
    assert stands(records).settled == 0


async def test_a_slice_is_given_back_long_before_its_lease_ends(records: Records) -> None:
    clock = Clock()
    purse = Purse(records, clock)
    (await purse.reserve("acme", limits(purse, 8), money(1_000))).settle(money(700))
    clock.at += 61
    (await purse.reserve("acme", limits(purse, 8), money(1_000))).settle(money(700))
    await purse.close()
    assert stands(records).settled == 1_400
    assert LEASE_S > 600


async def test_a_bill_beyond_the_bound_is_booked(records: Records) -> None:
    purse = Purse(records, Clock())
    (await purse.reserve("acme", limits(purse, 0.01), money(1_000))).settle(money(5_000))
    await purse.close()
    assert stands(records).settled == 5_000
    assert stands(records).frozen


async def test_settling_twice_is_settling_once(records: Records) -> None:
    purse = Purse(records, Clock())
    lease = await purse.reserve("acme", limits(purse, 8), money(1_000))
    lease.settle(money(10))
    lease.settle(money(10))
    await purse.close()
    assert stands(records).settled == 10


async def test_a_new_day_is_a_new_window(records: Records) -> None:
    clock = Clock()
    purse = Purse(records, clock)
    assert limits(purse, 1)[0].window == DAY
    clock.at += 86_400
    assert limits(purse, 1)[0].window == "2023-11-16"
