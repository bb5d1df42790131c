"""P5: settled + reserved never exceed the limit, whatever the order of events and however many spend at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.kernel import Exhausted, NotFound
from headgate.store import Limit, Records, Reserve, ledger

DAY = "2026-01-01"
NOW = 1_767_225_600.0


def limits(amount: int = 1_000) -> list[Limit]:
    return [Limit("key:k1", DAY, amount), Limit("app:support", DAY, 10 * amount)]


def reserve(
    records: Records, name: str, amount: int, limit: int = 1_000, lease_s: float = 60, now: float = NOW
) -> None:
    with records.begin() as tx:
        ledger.reserve(tx, "acme", Reserve(name, amount, limits(limit), lease_s), now)


def balance(records: Records, scope: str = "key:k1") -> ledger.Balance:
    with records.read() as tx:
        return ledger.balance(tx, "acme", scope, DAY)


def test_reserve_and_settle(records: Records) -> None:
    reserve(records, "a", 400)
    assert balance(records) == ledger.Balance(1_000, 0, 400)
    with records.begin() as tx:
        ledger.settle(tx, "acme", "a", 150, NOW)
    assert balance(records) == ledger.Balance(1_000, 150, 0)
    assert balance(records, "app:support").settled == 150


def test_what_does_not_fit_is_refused_and_changes_nothing(records: Records) -> None:
    reserve(records, "a", 900)
    with pytest.raises(Exhausted) as problem:
        reserve(records, "b", 101)
    assert "key k1" in problem.value.message
    assert problem.value.retry_after == 86_401
    assert balance(records) == ledger.Balance(1_000, 0, 900)


def test_a_leaked_reservation_counts_until_its_lease_ends(records: Records) -> None:
    reserve(records, "leak", 1_000, lease_s=30)
    with pytest.raises(Exhausted):
        reserve(records, "b", 1, now=NOW + 29)
    reserve(records, "b", 1, now=NOW + 31)
    assert balance(records).reserved == 1
    with records.begin() as tx, pytest.raises(NotFound):
        ledger.settle(tx, "acme", "leak", 5, NOW + 31)


def test_a_bill_beyond_the_bound_is_booked_and_freezes_the_budget(records: Records) -> None:
    reserve(records, "a", 100)
    with records.begin() as tx:
        ledger.settle(tx, "acme", "a", 250, NOW)
    assert balance(records) == ledger.Balance(1_000, 250, 0, frozen=True)
    with pytest.raises(Exhausted, match="frozen"):
        reserve(records, "b", 1)


def test_a_hundred_at_once_never_overspend(records: Records) -> None:
    won: list[int] = []

    def spend(number: int) -> None:
        try:
            reserve(records, f"r{number}", 90)
        except Exhausted:
            return
        won.append(number)
        if number % 3 == 0:
            with records.begin() as tx:
                ledger.settle(tx, "acme", f"r{number}", 90, NOW)

    threads = [threading.Thread(target=spend, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end = balance(records)
    assert len(won) == 11
    assert end.settled + end.reserved == 990


class Spending(RuleBasedStateMachine):
    """Reserve, settle, release and let time pass in any order; the books agree with a model that cannot race."""

    def __init__(self) -> None:
        super().__init__()
        self.records = Records("sqlite://")
        self.records.migrate()
        self.now, self.next, self.spent = NOW, 0, 0
        self.held: dict[str, tuple[int, float]] = {}

    def live(self) -> Iterator[str]:
        return (name for name, (_, until) in self.held.items() if until > self.now)

    @rule(amount=st.integers(0, 600), lease=st.integers(1, 100))
    def reserve(self, amount: int, lease: int) -> None:
        self.next += 1
        name = f"r{self.next}"
        held = sum(amount for amount, until in self.held.values() if until > self.now)
        try:
            reserve(self.records, name, amount, lease_s=lease, now=self.now)
        except Exhausted:
            assert self.spent + held + amount > 1_000
            return
        assert self.spent + held + amount <= 1_000
        self.held = {key: value for key, value in self.held.items() if value[1] > self.now}
        self.held[name] = (amount, self.now + lease)

    @precondition(lambda self: any(self.live()))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.live())))
        amount = data.draw(st.integers(0, self.held[name][0]))
        with self.records.begin() as tx:
            ledger.settle(tx, "acme", name, amount, self.now)
        self.spent += amount
        del self.held[name]

    @precondition(lambda self: any(self.live()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.live())))
        with self.records.begin() as tx:
            ledger.release(tx, "acme", name)
        del self.held[name]

    @rule(seconds=st.integers(1, 200))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def never_beyond_the_limit(self) -> None:
        found = balance(self.records)
        assert found.settled + found.reserved <= 1_000
        assert found.settled == self.spent

    def teardown(self) -> None:
        self.records.close()


TestSpending = Spending.TestCase
TestSpending.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
