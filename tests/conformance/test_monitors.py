"""What every monitor promises: it is documented, measures any window without falling, and is quiet over nothing."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence

import pytest

from headgate.kernel import RequestRecord, plugins
from headgate.observe import Monitor, compile_watch
from headgate.observe.watch import Signal, Window

NAMES = sorted(plugins.names("monitors"))
STATUSES = ("answered", "refused", "blocked", "held", "safe", "error")


def monitor(name: str) -> Monitor:
    found = plugins.load("monitors", name)
    assert isinstance(found, Monitor)
    return found


def record(number: int) -> RequestRecord:
    return RequestRecord(
        trace_id=f"{number:032x}",
        project="acme",
        at=float(number),
        app="support",
        environment="prod",
        release="sha256:0",
        source="live",
        route=f"r{number % 3}",
        label="",
        model="m",
        status=STATUSES[number % len(STATUSES)],
        reason="",
        cost_nano=number * 1_000_000,
        latency_us=number * 100_000,
        grounding=None if number % 4 == 0 else (number % 5) / 4,
    )


WINDOWS: dict[str, Sequence[RequestRecord]] = {
    "empty": [],
    "one": [record(1)],
    "two alike": [record(1), record(1)],
    "without grounding": [record(4 * number) for number in range(30)],
    "some": [record(number) for number in range(60)],
    "many": [record(number) for number in range(2500)],
}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_documented_and_says_what_to_do(name: str) -> None:
    module = importlib.import_module(plugins.names("monitors")[name].partition(":")[0])
    found = monitor(name)
    assert module.__doc__
    assert found.behaviour >= 1
    assert found.bad in ("high", "low")
    assert found.summary
    assert found.unit
    assert len(found.playbook) > 20


@pytest.mark.parametrize("before", WINDOWS)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", NAMES)
def test_any_window_gives_a_signal_inside_its_own_interval(name: str, window: str, before: str) -> None:
    signal = monitor(name).measure(Window.of(WINDOWS[window], WINDOWS[before]))
    assert isinstance(signal, Signal)
    assert all(math.isfinite(value) for value in (signal.value, signal.low, signal.high))
    assert signal.low - 1e-9 <= signal.value <= signal.high + 1e-9
    assert 0 <= signal.count <= len(WINDOWS[window])
    assert len(signal.worst) <= 5
    assert set(signal.worst) <= {item.trace_id for item in WINDOWS[window]}
    assert signal == monitor(name).measure(Window.of(WINDOWS[window], WINDOWS[before]))


@pytest.mark.parametrize("name", NAMES)
def test_an_environment_without_requests_raises_nothing(name: str) -> None:
    [watched] = compile_watch([{name: {"support": 1}}])
    assert not watched.breached(watched.monitor.measure(Window.of([], [])))
    assert not watched.breached(watched.monitor.measure(Window.of([], WINDOWS["some"])))


@pytest.mark.parametrize("name", NAMES)
def test_its_default_threshold_can_be_written(name: str) -> None:
    found = monitor(name)
    written = f"{found.threshold}s" if found.unit == "s" else found.threshold
    assert found.read(written) == pytest.approx(found.threshold)


@pytest.mark.parametrize("written", ["", "much", "-1", "nan"])
@pytest.mark.parametrize("name", NAMES)
def test_a_threshold_that_is_none_is_refused(name: str, written: str) -> None:
    with pytest.raises(ValueError):
        monitor(name).read(written)
