"""The breaker, the retry budget and the window that both count in, on a clock of our own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.serve.calling import breaker as breakers
from headgate.serve.calling import retries as budgets
from headgate.serve.calling.breaker import Admission, Breaker, Outcome
from headgate.serve.calling.retries import Retries, pause
from headgate.serve.calling.targets import LONGEST_REST_S, Targets
from headgate.serve.calling.window import Window
from headgate.testing import FakeClock

OK, FAILED, LEFT = Outcome.OK, Outcome.FAILED, Outcome.LEFT


def call(breaker: Breaker, now: float, outcome: Outcome) -> Admission | None:
    admission = breaker.admit(now)
    if admission is not None:
        breaker.settle(admission, outcome, now)
    return admission


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(breakers.VOLUME):
        call(breaker, now, FAILED)
    assert breaker.open
    return breaker


def test_a_few_failures_open_nothing() -> None:
    breaker = Breaker()
    for _ in range(breakers.VOLUME - 1):
        assert call(breaker, 0.0, FAILED) == "closed"
    assert not breaker.open


def test_it_opens_when_half_of_enough_calls_failed() -> None:
    breaker = Breaker()
    for turn in range(2 * breakers.VOLUME):
        call(breaker, 0.1 * turn, OK if turn % 2 else FAILED)
    assert breaker.open
    assert call(breaker, 2.0, OK) is None


def test_a_third_of_failures_opens_nothing() -> None:
    breaker = Breaker()
    for turn in range(300):
        call(breaker, 0.1 * turn, FAILED if turn % 3 == 2 else OK)
    assert not breaker.open


def test_old_failures_are_forgotten() -> None:
    breaker = Breaker()
    for turn in range(breakers.VOLUME - 1):
        call(breaker, turn * 0.1, FAILED)
    call(breaker, 3 * breakers.WINDOW_S, FAILED)
    assert not breaker.open


def test_one_call_at_a_time_probes() -> None:
    breaker = opened()
    assert breaker.admit(breakers.COOL_S - 0.1) is None
    assert breaker.admit(breakers.COOL_S) == "probe"
    assert breaker.admit(breakers.COOL_S) is None
    assert breaker.probe() is None
    breaker.settle("probe", LEFT, breakers.COOL_S)
    assert breaker.open
    assert breaker.admit(breakers.COOL_S) == "probe"
    breaker.settle("probe", OK, breakers.COOL_S)
    assert not breaker.open
    assert call(breaker, breakers.COOL_S, FAILED) == "closed"
    assert not breaker.open, "what was counted before it opened is forgotten"


def test_a_probe_that_fails_doubles_the_wait_up_to_a_minute() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(6):
        waits.append(breaker.wait_s(now))
        now += breaker.wait_s(now)
        assert call(breaker, now, FAILED) == "probe"
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_calls_from_before_it_opened_teach_it_nothing() -> None:
    breaker = Breaker()
    early = breaker.admit(0.0)
    assert early == "closed"
    for _ in range(breakers.VOLUME):
        call(breaker, 0.0, FAILED)
    breaker.settle(early, OK, 1.0)
    assert breaker.open


class Breaking(RuleBasedStateMachine):
    """Any order of calls, ends and times: probes are one at a time, an open breaker lets nothing else pass."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.now = Breaker(), 0.0
        self.running: list[Admission] = []

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(early=st.booleans())
    def ask(self, early: bool) -> None:
        blocked, was_open, wait = self.breaker.blocked(self.now), self.breaker.open, self.breaker.wait_s(self.now)
        admission = self.breaker.probe() if early else self.breaker.admit(self.now)
        if admission is None:
            assert was_open
        else:
            assert admission == ("probe" if was_open else "closed")
            assert early or (not blocked and wait == 0.0)
            self.running.append(admission)

    @rule(count=st.integers(1, 12))
    @precondition(lambda self: not self.breaker.open)
    def fail_many(self, count: int) -> None:
        for _ in range(count):
            call(self.breaker, self.now, FAILED)

    @rule(place=st.integers(0, 50), outcome=st.sampled_from(Outcome))
    @precondition(lambda self: self.running)
    def end(self, place: int, outcome: Outcome) -> None:
        admission = self.running.pop(place % len(self.running))
        was_open = self.breaker.open
        self.breaker.settle(admission, outcome, self.now)
        if was_open:
            assert self.breaker.open != (admission == "probe" and outcome is OK)
        elif self.breaker.open:
            assert outcome is FAILED

    @invariant()
    def one_probe(self) -> None:
        assert self.running.count("probe") <= 1
        assert 0 <= self.breaker.wait_s(self.now) <= breakers.LONGEST_COOL_S

    def teardown(self) -> None:
        """Whatever happened, a target that is well again is asked again."""
        for admission in self.running:
            self.breaker.settle(admission, LEFT, self.now)
        self.now += breakers.LONGEST_COOL_S
        assert call(self.breaker, self.now, OK) is not None
        assert call(self.breaker, self.now, OK) == "closed"


TestBreaking = Breaking.TestCase
TestBreaking.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

EVENTS = st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["call", "retry"])), max_size=200)


@given(EVENTS)
def test_retries_stay_below_their_share_in_every_window(events: list[tuple[float, str]]) -> None:
    budget, now = Retries(), 0.0
    calls: list[float] = []
    taken: list[float] = []
    for wait, event in events:
        now += wait
        if event == "call":
            budget.called(now)
            calls.append(now)
        elif budget.take(now):
            taken.append(now)
            part = budgets.WINDOW_S / 10  # the window forgets a part at a time
            recent = sum(at > now - budgets.WINDOW_S for at in taken)
            assert recent <= budgets.SHARE * sum(at > now - budgets.WINDOW_S - part for at in calls) + budgets.FLOOR


def test_in_an_outage_the_load_grows_by_a_fifth_and_no_more() -> None:
    budget, retried = Retries(), 0
    for turn in range(10_000):
        now = turn / 100
        budget.called(now)
        retried += budget.take(now)
    assert 1_900 <= retried <= 2_300


@given(st.lists(st.floats(0, 20), max_size=60), st.integers(1, 20))
def test_a_window_forgets_late_by_a_part_at_most_and_never_early(waits: list[float], parts: int) -> None:
    window, now, added = Window(10.0, parts), 0.0, []
    for wait in waits:
        now += wait
        window.add(now, 1, 2)
        added.append(now)
    first, second = window.sums(now)
    assert sum(at > now - 10.0 for at in added) <= first <= sum(at > now - 10.0 - 10.0 / parts - 1e-6 for at in added)
    assert second == 2 * first


def test_pauses_are_random_and_grow_and_what_the_provider_says_is_the_least() -> None:
    for again in range(8):
        waits = [pause(again, None) for _ in range(50)]
        assert max(waits) <= min(budgets.PAUSE_S * 2**again, budgets.LONGEST_PAUSE_S)
        assert len(set(waits)) > 40
    assert all(1.5 <= pause(0, 1.5) <= 1.5 + budgets.PAUSE_S for _ in range(50))


def test_what_is_known_of_targets_can_be_told() -> None:
    clock = FakeClock()
    targets = Targets(clock.monotonic)
    bad, busy = targets.of("b/bad"), targets.of("a/busy")
    for _ in range(breakers.VOLUME):
        admission = bad.admit()
        assert admission is not None
        bad.settle(admission, FAILED)
    busy.rest(9.0)
    assert busy.admit() == "closed"
    first, second = targets.snapshot()
    assert (first.target, first.state, first.resting_s, first.in_flight) == ("a/busy", "closed", 9.0, 1)
    assert (second.target, second.state, second.open_s) == ("b/bad", "open", breakers.COOL_S)
    assert (bad.blocked(), busy.blocked()) == ("breaker_open", "rate_limited")
    clock.advance(9.0)
    assert [hint.state for hint in targets.snapshot()] == ["closed", "half_open"]
    assert (bad.blocked(), busy.blocked()) == ("", "")


@pytest.mark.parametrize(("said", "kept"), [(30.0, 30.0), (86_400.0, LONGEST_REST_S)])
def test_a_rest_is_believed_for_some_minutes(said: float, kept: float) -> None:
    target = Targets(FakeClock().monotonic).of("a/b")
    target.rest(said)
    target.rest(1.0)
    assert target.resting_s() == kept


def test_names_that_anybody_may_try_are_not_remembered_for_ever() -> None:
    targets = Targets(FakeClock().monotonic)
    busy = targets.of("a/busy")
    assert busy.admit() is not None
    for number in range(3000):
        targets.of(f"a/{number}")
    known = {hint.target for hint in targets.snapshot()}
    assert len(known) == 1000
    assert {"a/busy", "a/2999"} <= known
    assert targets.of("a/busy") is busy
