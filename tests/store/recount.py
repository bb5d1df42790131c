"""Roll-ups counted once more from the rows themselves: what the stored ones must equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from headgate.store import Grain, Latency, SpanQuery, Spans
from headgate.store.spans.latency import bin_of, pack_bins

Sums = dict[tuple[object, ...], tuple[object, ...]]
_KINDS = ("app", "environment", "release", "route", "model", "status", "source")


def recount(spans: Spans, project: str, step: int) -> Sums:
    """Count every stored request of a project."""
    groups: dict[tuple[object, ...], list[tuple[int, ...]]] = {}
    bins: dict[tuple[object, ...], Counter[int]] = {}
    for row in spans.find(SpanQuery(project, limit=10**6)):
        at = int(row.at) // step * step
        key = (at, *(getattr(row, name) for name in _KINDS))
        numbers = (
            1,
            row.status == "blocked",
            row.status == "error",
            row.cost_nano,
            row.input_tokens,
            row.output_tokens,
        )
        groups.setdefault(key, []).append(numbers)
        bins.setdefault(key, Counter())[bin_of(row.latency_us)] += 1
    return {key: (*map(sum, zip(*rows, strict=True)), _quantiles(bins[key])) for key, rows in groups.items()}


def shown(spans: Spans, project: str, step: int) -> Sums:
    """Return the stored roll-ups of a project in the same form."""
    return {
        (item.at, *(getattr(item, name) for name in _KINDS)): (
            item.requests, item.blocked, item.errors, item.cost_nano, item.input_tokens, item.output_tokens,
            tuple(item.latency.percentile(*_SHARES)),
        )
        for item in spans.rollups(project, -1e12, 1e12, grain=Grain(step))
    }  # fmt: skip


_SHARES = [share / 20 for share in range(21)]


def _quantiles(bins: Counter[int]) -> tuple[int, ...]:
    return tuple(_latency(bins.items()).percentile(*_SHARES))


def _latency(bins: Iterable[tuple[int, int]]) -> Latency:
    return Latency(pack_bins(dict(bins)))
