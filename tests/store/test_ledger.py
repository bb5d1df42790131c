"""P5: settled + reserved never exceed the limit, whatever the order of events and however many spend at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text

from headgate.kernel import Conflict, Exhausted, InvalidInput, Unit
from headgate.store import Balance, Hold, Limit, Records, ledger

DAY = "2026-01-01"
NOW = 1_767_225_600.0


def limits(amount: int = 1_000, unit: Unit = "cost", window: str = DAY) -> list[Limit]:
    return [Limit("key:k1", unit, window, amount), Limit("app:support", unit, window, 10 * amount)]


def holds(name: str, amount: int, limit: int = 1_000) -> list[Hold]:
    """One reservation in each of the budgets, as a request has."""
    return [Hold(f"{name}/{each.scope}", each, amount) for each in limits(limit)]


def reserve(records: Records, name: str, amount: int, limit: int = 1_000, **lease: Any) -> None:
    with records.begin() as tx:
        ledger.reserve(tx, "acme", holds(name, amount, limit), **{"now": NOW, "lease_s": 60, **lease})


def settle(records: Records, name: str, amount: int, now: float = NOW) -> None:
    with records.begin() as tx:
        ledger.settle(tx, "acme", {hold.id: amount for hold in holds(name, 0)}, now=now)


def release(records: Records, name: str) -> None:
    with records.begin() as tx:
        for hold in holds(name, 0):
            ledger.release(tx, "acme", hold.id)


def balance(records: Records, scope: str = "key:k1") -> Balance:
    with records.read() as tx:
        return ledger.balance(tx, "acme", scope, "cost", DAY)


def test_reserve_and_settle(records: Records) -> None:
    assert balance(records) == Balance(None, 0, 0)
    reserve(records, "a", 400)
    assert balance(records) == Balance(1_000, 0, 400)
    settle(records, "a", 150)
    assert balance(records) == Balance(1_000, 150, 0)
    assert balance(records).left == 850
    assert balance(records, "app:support").settled == 150


def test_what_does_not_fit_is_refused_and_changes_nothing(records: Records) -> None:
    reserve(records, "a", 900, lease_s=7200)
    with pytest.raises(Exhausted) as problem:
        reserve(records, "b", 101, now=NOW + 3600)
    assert "key k1" in problem.value.message
    assert "2026-01-02 00:00 UTC" in problem.value.hint
    assert problem.value.retry_after == 82_801
    assert "is nearly used up: " in problem.value.message
    with pytest.raises(Exhausted) as problem:
        reserve(records, "b", 1_001, now=NOW)
    assert "is smaller than this request: " in problem.value.message
    assert "renewed" not in problem.value.hint, "it would not fit then either"
    reserve(records, "c", 100, lease_s=7200)
    with pytest.raises(Exhausted, match=r"is used up: \$0 of "):
        reserve(records, "d", 1, now=NOW)
    release(records, "c")
    assert balance(records) == Balance(1_000, 0, 900)
    assert balance(records, "app:support") == Balance(10_000, 0, 900)


def test_settling_twice_books_once(records: Records) -> None:
    reserve(records, "a", 400)
    settle(records, "a", 150)
    settle(records, "a", 150)
    assert balance(records) == Balance(1_000, 150, 0)


def test_release_gives_everything_back_once(records: Records) -> None:
    reserve(records, "a", 400)
    for _ in range(2):
        release(records, "a")
    assert balance(records) == Balance(1_000, 0, 0)


def test_a_leaked_reservation_counts_until_its_lease_ends(records: Records) -> None:
    reserve(records, "leak", 1_000, lease_s=30)
    with pytest.raises(Exhausted):
        reserve(records, "b", 1, now=NOW + 29)
    reserve(records, "b", 1, now=NOW + 31)
    assert balance(records) == Balance(1_000, 0, 1)


def test_what_is_settled_late_is_booked_and_freezes_only_without_room(records: Records) -> None:
    reserve(records, "late", 300, lease_s=30)
    reserve(records, "later", 300, lease_s=30)
    reserve(records, "b", 800, now=NOW + 31)
    settle(records, "late", 200, NOW + 40)
    assert balance(records) == Balance(1_000, 200, 800)
    settle(records, "later", 1, NOW + 41)
    assert balance(records) == Balance(1_000, 201, 800, frozen=True)


def test_a_bill_beyond_the_bound_is_booked_and_freezes_the_budget(records: Records) -> None:
    reserve(records, "a", 100)
    settle(records, "a", 250)
    assert balance(records) == Balance(1_000, 250, 0, frozen=True)
    with pytest.raises(Exhausted, match="frozen") as problem:
        reserve(records, "b", 1)
    assert problem.value.code == "budget_frozen"
    with records.begin() as tx:  # another day, another budget
        ledger.reserve(tx, "acme", [Hold("c", Limit("key:k1", "cost", "2026-01-02", 5), 1)], now=NOW, lease_s=1)


def test_what_makes_no_sense_is_refused(records: Records) -> None:
    with pytest.raises(InvalidInput):
        reserve(records, "a", -1)
    reserve(records, "a", 1)
    with pytest.raises(Conflict):
        reserve(records, "a", 1)
    with pytest.raises(InvalidInput):
        settle(records, "a", -1)
    with records.begin() as tx:
        assert ledger.settle(tx, "acme", {"never": 1}, now=NOW) == {"never"}
    assert balance(records) == Balance(1_000, 0, 1)


def test_projects_do_not_see_each_other(records: Records) -> None:
    reserve(records, "a", 1_000)
    with records.begin() as tx:
        ledger.reserve(tx, "other", holds("a", 1_000), now=NOW, lease_s=1)
        assert ledger.expire(tx, "other", NOW + 2) == 2
    assert balance(records).reserved == 1_000


def test_ended_reservations_are_forgotten_after_a_day(records: Records) -> None:
    reserve(records, "a", 5, lease_s=60)
    settle(records, "a", 5)
    with records.begin() as tx:
        ledger.expire(tx, "acme", NOW + 86_461)
        assert tx.one(text("SELECT count(*) AS n FROM reservation")) == {"n": 0}


def test_many_at_once_never_overspend(records: Records) -> None:
    won: list[int] = []

    def spend(number: int) -> None:
        try:
            reserve(records, f"r{number}", 90)
        except Exhausted:
            return
        won.append(number)
        if number % 3 == 0:
            settle(records, f"r{number}", 90)

    threads = [threading.Thread(target=spend, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end = balance(records)
    assert len(won) == 11
    assert end.settled + end.reserved == 990


SPENDER = """
import random, sys, time
from headgate.kernel import Exhausted
from headgate.store import Hold, Limit, Records, ledger
url, seed = sys.argv[1], int(sys.argv[2])
records, chance = Records(url), random.Random(seed)
scopes = [Limit("key:k1", "cost", "2026-01-01", 8_000), Limit("app:support", "cost", "2026-01-01", 9_000)]
number = 0
print("started", flush=True)
while True:
    number += 1
    name, amount = f"{seed}-{number}", chance.randint(1, 900)
    wanted = chance.choice([scopes, scopes[::-1], scopes[:1]])
    held = [Hold(f"{name}/{limit.scope}", limit, amount) for limit in wanted]
    try:
        with records.begin() as tx:
            ledger.reserve(tx, "acme", held, now=time.time(), lease_s=chance.choice([0.05, 60]))
    except Exhausted:
        with records.begin() as tx:
            ledger.expire(tx, "acme", time.time())
        print("exhausted", flush=True)
        time.sleep(0.01)
        continue
    dice = chance.random()
    with records.begin() as tx:
        if dice < 0.6:
            ledger.settle(tx, "acme", {hold.id: amount // 4 for hold in held}, now=time.time())
        elif dice < 0.8:
            for hold in held:
                ledger.release(tx, "acme", hold.id)
"""


@pytest.mark.slow
def test_processes_that_are_killed_never_overspend(records: Records) -> None:
    """Four processes spend at the limit; two are killed at random; at every look the books are within the limit."""
    near = [
        Hold(each.scope, each._replace(most=most), 7_000) for each, most in zip(limits(), (8_000, 9_000), strict=True)
    ]
    with records.begin() as tx:
        ledger.reserve(tx, "acme", near, now=time.time(), lease_s=3_000)
    command = [sys.executable, "-c", SPENDER, records.url]
    spenders = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True) for seed in range(4)]
    looks = 0
    try:
        for spender in spenders:
            assert spender.stdout is not None
            assert spender.stdout.readline() == "started\n"
        end = time.monotonic() + 4
        killed = [end - 3, end - 1.5]
        while time.monotonic() < end:
            if killed and time.monotonic() > killed[0]:
                os.kill(spenders[len(killed)].pid, signal.SIGKILL)
                killed.pop(0)
            for scope, limit in (("key:k1", 8_000), ("app:support", 9_000)):
                found = balance(records, scope)
                assert found.settled + found.reserved <= limit
                assert not found.frozen
                looks += 1
    finally:
        for spender in spenders:
            spender.kill()
        outputs = [spender.communicate()[0] for spender in spenders]
    assert looks > 20
    assert any("exhausted" in output for output in outputs)
    with records.begin() as tx:
        ledger.expire(tx, "acme", time.time() + 3600)
    for scope in ("key:k1", "app:support"):
        assert balance(records, scope).reserved == 0


class Spending(RuleBasedStateMachine):
    """Reserve, settle, release, expire, crash and let time pass in any order: the books agree with a simple model."""

    @initialize(
        unit=st.sampled_from(["cost", "tokens", "requests", "steps"]),
        window=st.sampled_from([DAY, "2026-01", "2026-01-01T00:00"]),
    )
    def start(self, unit: Unit, window: str) -> None:
        self.unit, self.window = unit, window
        self.records = Records("sqlite://")
        self.records.migrate()
        self.now, self.made, self.spent = NOW, 0, 0
        self.held: dict[str, tuple[int, float]] = {}
        self.ended: dict[str, int] = {}

    def holds(self, name: str, amount: int) -> list[Hold]:
        return [Hold(f"{name}/{each.scope}", each, amount) for each in limits(1_000, self.unit, self.window)]

    def book(self, name: str, amount: int) -> None:
        with self.records.begin() as tx:
            ledger.settle(tx, "acme", {hold.id: amount for hold in self.holds(name, 0)}, now=self.now)

    def kept(self) -> int:
        return sum(amount for amount, _ in self.held.values())

    def drop_late(self) -> None:
        for name in [name for name, (_, until) in self.held.items() if until <= self.now]:
            self.ended[name] = self.held.pop(name)[0]

    @rule(amount=st.integers(0, 600), lease=st.integers(1, 100))
    def reserve(self, amount: int, lease: int) -> None:
        self.made += 1
        name = f"r{self.made}"
        live = sum(held for held, until in self.held.values() if until > self.now)
        try:
            with self.records.begin() as tx:
                ledger.reserve(tx, "acme", self.holds(name, amount), now=self.now, lease_s=lease)
        except Exhausted:
            assert self.spent + live + amount > 1_000
            return
        assert self.spent + live + amount <= 1_000
        self.drop_late()
        self.held[name] = (amount, self.now + lease)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        amount = data.draw(st.integers(0, self.held[name][0]))
        for _ in range(data.draw(st.integers(1, 2))):
            self.book(name, amount)
        self.spent += amount
        del self.held[name]

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def settle_late(self, data: st.DataObject) -> None:
        room = 1_000 - self.spent - self.kept()
        name = data.draw(st.sampled_from(sorted(self.ended)))
        amount = data.draw(st.integers(0, min(room, self.ended.pop(name))))
        self.book(name, amount)
        self.spent += amount

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        release(self.records, name)
        del self.held[name]

    @precondition(lambda self: self.held)
    @rule(data=st.data(), amount=st.integers(0, 600))
    def crash(self, data: st.DataObject, amount: int) -> None:
        """A process dies before its transaction commits: nothing of it remains."""
        name = data.draw(st.sampled_from(sorted(self.held)))

        def die() -> None:
            with self.records.begin() as tx:
                ledger.settle(tx, "acme", {hold.id: amount for hold in self.holds(name, 0)}, now=self.now)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            die()

    @rule()
    def expire(self) -> None:
        with self.records.begin() as tx:
            found = ledger.expire(tx, "acme", self.now)
        before = len(self.held)
        self.drop_late()
        assert found == 2 * (before - len(self.held)), "each held in two budgets"

    @rule(seconds=st.integers(1, 200))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def never_beyond_the_limit(self) -> None:
        with self.records.read() as tx:
            found = ledger.balance(tx, "acme", "key:k1", self.unit, self.window)
        assert found.settled + found.reserved <= 1_000
        assert (found.settled, found.reserved) == (self.spent, self.kept())
        assert not found.frozen

    def teardown(self) -> None:
        self.records.close()


TestSpending = Spending.TestCase
TestSpending.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_budgets_are_forgotten_after_their_window_but_not_what_is_held(records: Records) -> None:
    minute = "2026-01-01T00:00"
    held = Hold("a", Limit("user:support/x", "requests", minute, 5), 3)
    with records.begin() as tx:
        ledger.reserve(tx, "acme", [held], now=NOW, lease_s=10_000)
        ledger.expire(tx, "acme", NOW + 3_700)
        assert ledger.balance(tx, "acme", "user:support/x", "requests", minute).reserved == 3
        ledger.settle(tx, "acme", {"a": 2}, now=NOW + 3_701)
        ledger.expire(tx, "acme", NOW + 3_702)
        assert ledger.balance(tx, "acme", "user:support/x", "requests", minute) == Balance(None, 0, 0)


def test_of_several_budgets_all_are_held_or_none(records: Records) -> None:
    tight = [
        Hold("a", Limit("key:k1", "requests", DAY, 10), 1),
        Hold("b", Limit("team:web", "tokens", "2026-01", 100), 101),
    ]
    with records.begin() as tx:
        with pytest.raises(Exhausted, match="limit of tokens of team web for 2026-01") as problem:
            ledger.reserve(tx, "acme", tight, now=NOW, lease_s=60)
        assert ledger.balance(tx, "acme", "key:k1", "requests", DAY).reserved == 0
    assert "ask for a higher limit" in problem.value.hint
