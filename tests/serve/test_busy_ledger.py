"""A ledger that another program holds: who must ask it is told so soon, who need not goes on, nothing is overspent."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.serve.conftest import World
from tests.serve.test_budget import DOLLAR, Clock, limits, money, stands

from headgate.kernel import Exhausted, Rate
from headgate.models import Price
from headgate.serve import Purse
from headgate.serve.money import busy
from headgate.serve.money.busy import NoLedger
from headgate.store import Balance, Records, ledger


@contextmanager
def held(records: Records, how: str = "IMMEDIATE") -> Iterator[None]:
    """Hold the lock that the ledger needs by a connection of another program; meanwhile wait a tenth of the time."""
    with pytest.MonkeyPatch.context() as patch, _locked(records, how):
        patch.setattr("headgate.serve.budget.ASK_S", busy.ASK_S / 10)
        patch.setattr("headgate.serve.budget.TURN_S", busy.TURN_S / 10)
        yield


@contextmanager
def _locked(records: Records, how: str) -> Iterator[None]:
    if records.dialect == "postgresql":
        with closing(Records(records.url)) as other, other.begin() as tx:
            ledger.expire(tx, "acme", 0)
            yield
        return
    file = Path(records.url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(f"BEGIN {how}")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
async def test_who_must_ask_a_ledger_that_is_held_hears_it_and_has_reserved_nothing(records: Records, how: str) -> None:
    purse = Purse(records, Clock())
    with held(records, how):
        asked = [purse.reserve("acme", limits(purse, 8), money(1_000)) for _ in range(5)]
        for problem in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(problem, NoLedger)
            assert (problem.status, problem.code, problem.retry_after) == (503, "ledger_busy", 2)
    await purse.close()
    assert (stands(records).settled, stands(records).reserved) == (0, 0)
    (await purse.reserve("acme", limits(purse, 8), money(1_000))).settle(money(10))
    await purse.close()
    assert stands(records) == Balance(8 * DOLLAR, 10, 0)


@pytest.mark.parametrize("records", ["sqlite"], indirect=True)
async def test_what_memory_can_decide_goes_on_also_beside_what_it_cannot(records: Records) -> None:
    purse = Purse(records, Clock())
    (await purse.reserve("acme", limits(purse, 8), money(1_000))).settle(money(1_000))
    with held(records):
        for _ in range(20):
            (await purse.reserve("acme", limits(purse, 8), money(1_000))).settle(money(1_000))
        for _ in range(3):
            with pytest.raises(NoLedger):
                await purse.reserve("acme", limits(purse, 8), money(2 * DOLLAR))
            (await purse.reserve("acme", limits(purse, 8), money(1_000))).settle(money(1_000))
    (await purse.reserve("acme", limits(purse, 8), money(2 * DOLLAR))).settle(money(2 * DOLLAR))
    await purse.close()
    assert stands(records) == Balance(8 * DOLLAR, 2 * DOLLAR + 24_000, 0)


async def test_what_was_used_while_the_ledger_was_held_is_booked_afterwards(records: Records) -> None:
    purse = Purse(records, Clock())
    leases = [await purse.reserve("acme", limits(purse, 0.00001), money(1_000)) for _ in range(4)]
    with held(records):
        for lease in leases:
            lease.settle(money(900))
        with pytest.raises(NoLedger):
            await purse.reserve("acme", limits(purse, 0.00001), money(9_000))
        await asyncio.sleep(1)
    await purse.close()
    assert stands(records) == Balance(10_000, 3_600, 0)
    assert purse.unsettled == 0
    with pytest.raises(Exhausted):
        await purse.reserve("acme", limits(purse, 0.00001), money(6_401))
    await purse.close()


async def test_who_settles_with_patience_keeps_nobody_from_asking(records: Records) -> None:
    purse = Purse(records, Clock())
    lease = await purse.reserve("acme", limits(purse, 0.00001), money(1_000))
    with held(records):
        lease.settle(money(900))
        await asyncio.sleep(0.5)
    async with asyncio.timeout(5):
        (await purse.reserve("acme", limits(purse, 0.00001), money(9_000))).settle(money(100))
    await purse.close()
    assert stands(records) == Balance(10_000, 1_000, 0)


async def test_a_ledger_that_is_gone_is_told_without_where_it_was(records: Records) -> None:
    purse = Purse(records, Clock())
    records.broken = "disk I/O error"
    with pytest.raises(NoLedger) as caught:
        await purse.reserve("acme", limits(purse, 8), money(1_000))
    assert (caught.value.status, caught.value.code) == (503, "ledger_unavailable")
    assert "disk" not in str(caught.value)
    records.broken = ""
    await purse.close()


@pytest.mark.parametrize("unit", ["requests", "cost"])
async def test_a_request_that_nobody_could_reserve_for_reaches_no_model(built: World, unit: str) -> None:
    purse = Purse(built.records, built.runtime.clock)
    built.one.cost = Price(input="$1", output="$1")
    rate = Rate("requests", "day", 5) if unit == "requests" else Rate("cost", "day", DOLLAR)
    built.around(purse=purse, app_limits=(rate,))
    with held(built.records), pytest.raises(NoLedger):
        await built.ask("Hello there")
    assert not built.one.calls
    kept = built.recorder.last
    assert (kept.status, kept.reason, kept.http_status) == ("error", "ledger_busy", 503)
    assert (await built.ask("Hello there")).status == "answered"
    await purse.close()
