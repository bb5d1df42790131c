"""What an environment watches, as people write it: names, thresholds with units, windows, and mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.kernel import InvalidInput, plugins
from headgate.observe import compile_watch
from headgate.observe.watch import Signal


def test_a_name_alone_watches_by_the_monitors_own_threshold() -> None:
    [watched] = compile_watch(["error_rate"])
    assert (watched.name, watched.threshold) == ("error_rate", plugins.load("monitors", "error-rate").threshold)
    assert (watched.over_s, watched.support) == (900, 20)


@pytest.mark.parametrize(
    ("item", "threshold"),
    [
        ({"error_rate": {"at_most": "2%"}}, 0.02),
        ({"error_rate": {"at_most": 0.02}}, 0.02),
        ({"latency": {"at_most": "3s"}}, 3.0),
        ({"latency": {"at_most": "250ms"}}, 0.25),
        ({"cost_per_request": {"at_most": "$0.004"}}, 0.004),
        ({"groundedness": {"at_least": "80%"}}, 0.8),
        ({"route_mix": {"at_most": 0.3}}, 0.3),
        ({"refusals": None}, 0.25),
    ],
)
def test_thresholds_are_written_in_their_units(item: dict[str, Any], threshold: float) -> None:
    [watched] = compile_watch([item])
    assert watched.threshold == pytest.approx(threshold)


def test_window_and_support_are_read() -> None:
    [watched] = compile_watch([{"latency": {"over": "2h", "support": 5}}])
    assert (watched.over_s, watched.support) == (7200, 5)


@pytest.mark.parametrize(("written", "meant"), [("eror_rate", "error-rate"), ({"latancy": {}}, "latency")])
def test_an_unknown_monitor_names_the_nearest(written: Any, meant: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        compile_watch([written])
    assert meant in caught.value.hint


@pytest.mark.parametrize(
    ("item", "wrong", "right"),
    [
        ({"error_rate": {"at_least": "2%"}}, "at_least", "at_most"),
        ({"groundedness": {"at_most": 0.5}}, "at_most", "at_least"),
        ({"latency": {"at_least": "2s", "at_most": "3s"}}, "at_least", "at_most"),
    ],
)
def test_a_bar_on_the_wrong_side_is_refused(item: dict[str, Any], wrong: str, right: str) -> None:
    with pytest.raises(InvalidInput, match=wrong) as caught:
        compile_watch([item])
    assert right in caught.value.hint


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"latency": {"at_most": "fast"}}, "latency: at_most"),
        ({"error_rate": {"at_most": "two percent"}}, "error_rate: at_most"),
        ({"latency": {"atmost": "2s"}}, "latency: atmost"),
        ({"latency": {"over": "soon"}}, "latency: over"),
        ({"latency": {"support": 0}}, "latency: support"),
        ({"latency": "2s"}, "latency"),
        ({"latency": {}, "cost_per_request": {}}, "is not a monitor"),
        ({}, "is not a monitor"),
        (7, "is not a monitor"),
    ],
)
def test_mistakes_name_the_monitor_and_the_key(item: Any, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        compile_watch([item])


def test_a_breach_needs_support_and_the_whole_interval_on_the_bad_side() -> None:
    [high] = compile_watch([{"error_rate": {"at_most": 0.1, "support": 20}}])
    [low] = compile_watch([{"groundedness": {"at_least": 0.7, "support": 20}}])
    assert high.breached(Signal(0.3, 0.2, 0.4, 20))
    assert not high.breached(Signal(0.3, 0.2, 0.4, 19))
    assert not high.breached(Signal(0.3, 0.1, 0.5, 20))
    assert low.breached(Signal(0.5, 0.4, 0.6, 20))
    assert not low.breached(Signal(0.5, 0.3, 0.7, 20))
    assert not low.breached(Signal(0.9, 0.85, 0.95, 20))
