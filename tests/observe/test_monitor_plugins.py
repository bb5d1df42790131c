"""Each monitor over made-up windows: what it measures, when it raises, and when it only looks as if it should."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from headgate.kernel import RequestRecord
from headgate.observe import compile_watch
from headgate.observe.watch import Signal, Watched, Window

Make = Callable[..., RequestRecord]
GOOD: dict[str, dict[str, Any]] = {
    "error_rate": {"status": "answered"},
    "latency": {"latency_us": 300_000},
    "cost_per_request": {"cost_nano": 1_000_000},
    "refusals": {"status": "answered"},
    "groundedness": {"grounding": 0.95},
}
BAD: dict[str, dict[str, Any]] = {
    "error_rate": {"status": "error"},
    "latency": {"latency_us": 9_000_000},
    "cost_per_request": {"cost_nano": 90_000_000},
    "refusals": {"status": "blocked"},
    "groundedness": {"grounding": 0.1},
}


def watch(name: str) -> Watched:
    [found] = compile_watch([name])
    return found


def mixed(make: Make, name: str, good: int, bad: int) -> list[RequestRecord]:
    kinds = [GOOD[name]] * good + [BAD[name]] * bad
    return [make(number, **fields) for number, fields in enumerate(kinds)]


def measure(name: str, window: Sequence[RequestRecord], before: Sequence[RequestRecord] = ()) -> Signal:
    return watch(name).monitor.measure(Window.of(window, before))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_good_requests_raise_nothing_and_bad_ones_do(make: Make, name: str) -> None:
    assert not watch(name).breached(measure(name, mixed(make, name, 200, 0)))
    assert watch(name).breached(measure(name, mixed(make, name, 0, 200)))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_fewer_requests_than_the_support_raise_nothing_however_bad(make: Make, name: str) -> None:
    assert not watch(name).breached(measure(name, mixed(make, name, 0, 19)))
    assert watch(name).breached(measure(name, mixed(make, name, 0, 20)))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("error_rate", 37, 3),
        ("refusals", 21, 9),
        ("latency", 28, 2),
        ("cost_per_request", 17, 3),
        ("groundedness", 14, 8),
    ],
)
def test_a_value_beyond_its_bar_by_luck_alone_raises_nothing(make: Make, name: str, good: int, bad: int) -> None:
    signal, watched = measure(name, mixed(make, name, good, bad)), watch(name)
    beyond = signal.value > watched.threshold if watched.monitor.bad == "high" else signal.value < watched.threshold
    assert beyond, "the window must look bad"
    assert signal.low <= watched.threshold <= signal.high
    assert not watched.breached(signal)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_the_same_share_in_many_more_requests_raises(make: Make, name: str) -> None:
    assert watch(name).breached(measure(name, mixed(make, name, 1000, 1000)))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_the_worst_requests_are_bad_ones(make: Make, name: str) -> None:
    window = mixed(make, name, 50, 3)
    assert set(measure(name, window).worst) >= {record.trace_id for record in window[50:]}
    assert len(measure(name, mixed(make, name, 0, 50)).worst) == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("error_rate", 0.25),
        ("refusals", 0.25),
        ("cost_per_request", 0.02325),
        ("groundedness", 0.7375),
        ("latency", 9.0),
    ],
)
def test_values_are_in_the_monitors_unit(make: Make, name: str, value: float) -> None:
    signal = measure(name, mixed(make, name, 30, 10))
    assert signal.value == pytest.approx(value)
    assert signal.low <= signal.value <= signal.high
    assert signal.count == 40


def test_the_fallback_template_counts_as_an_error_and_a_refusal_does_not(make: Make) -> None:
    assert measure("error_rate", [make(n, status="safe") for n in range(30)]).value == 1.0
    assert measure("error_rate", [make(n, status="refused") for n in range(30)]).value == 0.0
    assert measure("refusals", [make(n, status="refused") for n in range(30)]).value == 1.0
    assert measure("refusals", [make(n, status="held") for n in range(30)]).value == 0.0


def test_groundedness_leaves_out_answers_without_sources(make: Make) -> None:
    window = [make(n, grounding=None) for n in range(100)] + [make(200 + n, grounding=0.2) for n in range(10)]
    signal = measure("groundedness", window)
    assert signal.count == 10
    assert signal.value == pytest.approx(0.2)
    assert not watch("groundedness").breached(signal), "ten answers are fewer than its support"


def test_groundedness_counts_an_answer_without_any_support(make: Make) -> None:
    assert measure("groundedness", [make(n, grounding=0.0) for n in range(30)]).value == 0.0


def routes(make: Make, start: int, **counts: int) -> list[RequestRecord]:
    names = [name for name, count in counts.items() for _ in range(count)]
    return [make(start + number, route=name) for number, name in enumerate(names)]


@pytest.mark.parametrize("size", [1, 3, 30])
def test_the_same_mix_of_routes_is_quiet(make: Make, size: int) -> None:
    before, now = routes(make, 0, a=28 * size, b=12 * size), routes(make, 5000, a=7 * size, b=3 * size)
    signal = measure("route_mix", now, before)
    assert signal.value == pytest.approx(0)
    assert not watch("route_mix").breached(signal)


def test_a_mix_that_wobbles_as_samples_do_is_quiet(make: Make) -> None:
    signal = measure("route_mix", routes(make, 5000, a=9, b=16), routes(make, 0, a=60, b=40))
    assert signal.value > watch("route_mix").threshold
    assert not watch("route_mix").breached(signal)


def test_a_moved_mix_of_routes_raises_and_names_the_route_that_grew(make: Make) -> None:
    now = routes(make, 5000, a=40, b=160)
    signal = measure("route_mix", now, routes(make, 0, a=640, b=160))
    assert signal.value == pytest.approx(0.6)
    assert watch("route_mix").breached(signal)
    assert "60%" in signal.explanation


def test_a_route_that_was_never_taken_before_raises(make: Make) -> None:
    now = routes(make, 5000, a=50, new=50)
    signal = measure("route_mix", now, routes(make, 0, a=400))
    assert watch("route_mix").breached(signal)
    assert set(signal.worst) <= {record.trace_id for record in now}


@pytest.mark.parametrize("empty", ["now", "before"])
def test_route_mix_without_something_to_compare_with_says_nothing(make: Make, empty: str) -> None:
    some = routes(make, 0, a=100)
    signal = measure("route_mix", [] if empty == "now" else some, some if empty == "now" else [])
    assert signal.count == 0
    assert not watch("route_mix").breached(signal)
