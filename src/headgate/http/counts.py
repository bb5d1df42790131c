"""Counters and histograms as plain numbers, put into Prometheus' shape when they are read. Called by the meters.

One thread counts: the loop's. So no lock is needed, and to count costs an addition; prometheus_client takes a lock for
each, 13 µs a request in all.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_BOUNDS_US = (5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000,
              15_000_000, 30_000_000)  # fmt: skip
_SHOWN = (*(str(bound / 1e6) for bound in _BOUNDS_US), "+Inf")


class Count:
    """One number that only grows."""

    __slots__ = ("since", "value")

    def __init__(self) -> None:
        self.value, self.since = 0, time.time()


class Times:
    """Lengths of time, by how long they took."""

    __slots__ = ("buckets", "since", "total_us")

    def __init__(self) -> None:
        self.buckets, self.total_us, self.since = [0] * len(_SHOWN), 0, time.time()

    def add(self, micros: int) -> None:
        self.buckets[bisect_left(_BOUNDS_US, micros)] += 1
        self.total_us += micros


Child = TypeVar("Child", Count, Times)


class Labelled(Generic[Child]):
    """Numbers of one name, one for each set of labels, which are few. unit: how many of what is counted make one."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], make: Callable[[], Child], unit: int = 1) -> None:
        self.name, self.text, self.labels, self.unit = name, text, labels, unit
        self.children: dict[tuple[str, ...], Child] = {}
        self._make: Callable[[], Child] = make

    def of(self, *labels: str) -> Child:
        """Return the number of these labels; it is shown from then on."""
        found = self.children.get(labels)
        if found is None:
            found = self.children[labels] = self._make()
        return found


class Shown(Collector):
    """Makes Prometheus' families of them, in this order, whenever they are read."""

    def __init__(self, counts: Iterable[Labelled[Count]], times: Iterable[Labelled[Times]]) -> None:
        self._counts, self._times = tuple(counts), tuple(times)

    def collect(self) -> Iterable[Metric]:
        yield from map(_counted, self._counts)
        yield from map(_timed, self._times)


def _counted(found: Labelled[Count]) -> Metric:
    family = CounterMetricFamily(found.name, found.text, labels=found.labels)
    for labels, count in found.children.items():
        family.add_metric(labels, count.value / found.unit, created=count.since)
    return family


def _timed(found: Labelled[Times]) -> Metric:
    family = HistogramMetricFamily(found.name, found.text, labels=found.labels)
    for labels, times in found.children.items():
        sums = [sum(times.buckets[: place + 1]) for place in range(len(_SHOWN))]
        family.add_metric(labels, list(zip(_SHOWN, sums, strict=True)), times.total_us / 1e6)
        family.add_sample(f"{found.name}_created", dict(zip(found.labels, labels, strict=True)), times.since)
    return family
