"""What other processes tell of targets: skipped for the time told, then probed; never told on, never longer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.serve import Hint, Targets
from headgate.serve.calling import breaker as breakers
from headgate.serve.calling.breaker import Outcome
from headgate.serve.calling.targets import LONGEST_REST_S, Target
from headgate.testing import FakeClock

NAME = "east/large"


def told(open_s: float = 0.0, resting_s: float = 0.0, name: str = NAME) -> Hint:
    return Hint(name, "open" if open_s else "closed", open_s, resting_s, 0, 0)


@pytest.fixture
def targets(clock: FakeClock) -> Targets:
    return Targets(clock.monotonic)


def fail(target: Target, times: int = breakers.VOLUME) -> None:
    for _ in range(times):
        admission = target.admit()
        assert admission is not None
        target.settle(admission, Outcome.FAILED)


def probe(target: Target, outcome: Outcome) -> None:
    admission = target.probe()
    assert admission == "probe"
    target.settle(admission, outcome)


def test_a_target_that_others_skip_is_skipped_and_then_probed(targets: Targets, clock: FakeClock) -> None:
    targets.take([told(5.0)])
    target = targets.of(NAME)
    assert target.blocked() == "breaker_open"
    assert target.admit() is None
    clock.advance(4.9)
    assert target.blocked()
    clock.advance(0.2)
    assert target.blocked() == ""
    assert target.admit() == "probe"
    assert target.admit() is None, "one call at a time"


def test_what_was_only_heard_is_not_told_on(targets: Targets) -> None:
    targets.take([told(5.0, resting_s=20.0)])
    assert targets.evidence() == ()
    assert targets.snapshot()[0].state == "open"
    assert targets.snapshot()[0].resting_s == pytest.approx(20.0)


def test_what_was_seen_here_is_told(targets: Targets, clock: FakeClock) -> None:
    fail(targets.of(NAME))
    targets.of("west/large").rest(60)
    targets.of("fine/small")
    opened, resting = targets.evidence()
    assert (opened.target, opened.state, opened.open_s) == (NAME, "open", breakers.COOL_S)
    assert (resting.target, resting.state, resting.resting_s) == ("west/large", "closed", 60.0)
    clock.advance(6)
    assert targets.evidence()[0].state == "half_open"


def test_a_failed_probe_after_a_hint_is_evidence_of_ones_own(targets: Targets, clock: FakeClock) -> None:
    targets.take([told(5.0)])
    clock.advance(5.1)
    probe(targets.of(NAME), Outcome.FAILED)
    assert targets.evidence()[0].state == "open"
    targets.take([])
    assert targets.of(NAME).blocked(), "what was seen here stays when the others fall silent"


def test_a_probe_that_told_nothing_keeps_a_hint_a_hint(targets: Targets) -> None:
    targets.take([told(5.0)])
    probe(targets.of(NAME), Outcome.LEFT)
    assert targets.evidence() == ()
    targets.take([])
    assert not targets.of(NAME).blocked()


def test_a_target_nobody_speaks_of_any_more_is_free(targets: Targets) -> None:
    targets.take([told(60.0)])
    targets.take([])
    assert targets.of(NAME).admit() == "closed"


def test_a_probe_that_succeeded_outweighs_what_was_heard_before(targets: Targets, clock: FakeClock) -> None:
    targets.take([told(20.0)])
    probe(targets.of(NAME), Outcome.OK)
    clock.advance(1)
    targets.take([told(19.0)])
    assert not targets.of(NAME).blocked(), "the same news again"
    targets.take([told(40.0)])
    assert targets.of(NAME).blocked(), "the other one has probed since, and failed"


def test_a_longer_hint_moves_a_probe_of_ones_own_back(targets: Targets, clock: FakeClock) -> None:
    fail(targets.of(NAME))
    targets.take([told(30.0)])
    clock.advance(breakers.COOL_S + 1)
    assert targets.of(NAME).blocked()
    clock.advance(30)
    assert not targets.of(NAME).blocked()


def test_a_hint_is_believed_for_a_minute_and_a_rest_for_five(targets: Targets, clock: FakeClock) -> None:
    targets.take([told(1e9, resting_s=1e9)])
    clock.advance(breakers.LONGEST_COOL_S + 1)
    targets.take([])
    assert targets.of(NAME).blocked() == "rate_limited"
    clock.advance(LONGEST_REST_S)
    assert targets.of(NAME).blocked() == ""


@given(st.lists(st.tuples(st.floats(0, 120), st.floats(0, 2)), max_size=30))
def test_whatever_is_told_a_target_is_asked_again(hints: list[tuple[float, float]]) -> None:
    """However hints come, each opens for a minute at most from when it came."""
    clock = FakeClock()
    targets = Targets(clock.monotonic)
    for open_s, pause_s in hints:
        targets.take([told(open_s)])
        clock.advance(pause_s)
    clock.advance(breakers.LONGEST_COOL_S)
    assert targets.of(NAME).admit() is not None


def test_two_processes_do_not_hold_each_other_open(clock: FakeClock) -> None:
    """What one saw goes to the other and back for as long as it lasts, and ends with it."""
    here, there = Targets(clock.monotonic), Targets(clock.monotonic)
    fail(here.of(NAME))
    for _ in range(40):
        there.take(here.evidence())
        here.take(there.evidence())
        clock.advance(0.2)
    assert not there.of(NAME).blocked()
    probe(there.of(NAME), Outcome.OK)
    probe(here.of(NAME), Outcome.OK)
    there.take(here.evidence())
    here.take(there.evidence())
    assert (here.of(NAME).admit(), there.of(NAME).admit()) == ("closed", "closed")
