"""The three shapes of a signal (a rate, a quantile, a mean), measured by `measure`'s scorers over a window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from headgate.kernel import RequestRecord, units
from headgate.measure import Subject, build, mean_interval, quantile_interval, wilson

from .watch import Signal

_WORST = 5


def rate(scorer: str, window: Sequence[RequestRecord], flagged: Callable[[RequestRecord], bool]) -> Signal:
    """Measure a share of requests with its Wilson interval; `flagged` picks the requests to look at first."""
    if not window:
        return Signal(0.0, 0.0, 1.0, 0)
    score = build(scorer, None).look(Subject(records=window))
    interval = wilson(round(score.value * len(window)), len(window))
    worst = tuple(record.trace_id for record in reversed(window) if flagged(record))[:_WORST]
    return Signal(score.value, interval.low, interval.high, len(window), worst, score.explanation)


def quantile(window: Sequence[RequestRecord], value: Callable[[RequestRecord], float], q: float) -> Signal:
    """Measure a quantile with its order-statistics interval; the worst are the largest."""
    if not window:
        return Signal(0.0, 0.0, 0.0, 0)
    values = sorted(value(record) for record in window)
    interval = quantile_interval(values, q)
    return Signal(
        values[min(len(values) - 1, int(q * len(values)))],
        interval.low,
        interval.high,
        len(window),
        _largest(window, value),
    )


def mean(window: Sequence[RequestRecord], value: Callable[[RequestRecord], float], smallest: bool = False) -> Signal:
    """Measure a mean with its interval; the worst are the largest values, or the smallest."""
    if not window:
        return Signal(0.0, 0.0, 0.0, 0)
    values = [value(record) for record in window]
    interval = mean_interval(values)
    worst = _largest(window, (lambda record: -value(record)) if smallest else value)
    return Signal(sum(values) / len(values), interval.low, interval.high, len(window), worst)


def _largest(window: Sequence[RequestRecord], value: Callable[[RequestRecord], float]) -> tuple[str, ...]:
    return tuple(record.trace_id for record in sorted(window, key=value, reverse=True)[:_WORST])


def seconds(written: Any) -> float:
    """Read a threshold such as `2s` as seconds."""
    return units.parse_duration(written) / 1e6


def dollars(written: Any) -> float:
    """Read a threshold such as `$0.004` as USD."""
    return units.parse_usd(written) / units.NANO


def times(written: Any) -> float:
    """Read a threshold such as `1.5` (times what is expected). Raises ValueError for what is not above 0."""
    value = float(written)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{written!r} is not a number above 0")
    return value
