"""A monitor is a scorer over a window of requests, with a threshold. Files in `monitors/` declare one each.

An environment's applied rules name what it watches: `watch: [error_rate, {latency: {at_most: 3s, over: 30m}}]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headgate.kernel import Duration, InvalidInput, RequestRecord, plugins

DAY_US = 86_400_000_000


class Watch(BaseModel):
    """How a signal is watched. `at_most` and `at_least` are in the monitor's unit; `over` is the window."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_most: str | float | None = None
    at_least: str | float | None = None
    over: Duration = 15 * 60 * 1_000_000
    support: int = Field(20, ge=1, description="fewer requests than this raise nothing")


@dataclass(frozen=True, slots=True)
class Signal:
    """What a monitor measured: value and interval in the monitor's unit, over how many requests, and the worst ones."""

    value: float
    low: float
    high: float
    count: int
    worst: tuple[str, ...] = ()
    explanation: str = ""


Measure = Callable[[Sequence[RequestRecord], Sequence[RequestRecord]], Signal]
"""(requests of the window, requests of the window before it, as reference) -> Signal."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """A plugin of `observe/monitors/`: what it measures, its unit, its default threshold, and what to do first.

    `bad` says which side is bad. `read` turns a threshold as people write it (`2%`, `3s`, `$0.004`) into the unit.
    """

    behaviour: int
    summary: str
    unit: str
    bad: str
    threshold: float
    measure: Measure
    read: Callable[[Any], float]
    playbook: str


@dataclass(frozen=True, slots=True)
class Watched:
    """A monitor with the threshold and window that an environment gave it."""

    name: str
    monitor: Monitor
    threshold: float
    over_s: float
    support: int

    def breached(self, signal: Signal) -> bool:
        """Whether the whole interval lies on the bad side: a signal that straddles its bar raises nothing yet."""
        if signal.count < self.support:
            return False
        return signal.low > self.threshold if self.monitor.bad == "high" else signal.high < self.threshold


def compile_watch(items: Sequence[Any]) -> tuple[Watched, ...]:
    """Compile an environment's `watch` list. Raises InvalidInput naming the nearest monitor or the bad key."""
    return tuple(_compile(item) for item in items)


def _compile(item: Any) -> Watched:
    name, options = next(iter(item.items())) if isinstance(item, Mapping) and len(item) == 1 else (item, {})
    if not isinstance(name, str):
        raise InvalidInput(f"{item!r} is not a monitor", "write error_rate, or {error_rate: {at_most: 2%}}")
    monitor: Monitor = plugins.load("monitors", name.replace("_", "-"))
    try:
        watch = Watch.model_validate(options or {})
    except ValidationError as problems:
        first = problems.errors(include_url=False)[0]
        raise InvalidInput(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    allowed, wrong = ("at_most", "at_least") if monitor.bad == "high" else ("at_least", "at_most")
    if getattr(watch, wrong) is not None:
        raise InvalidInput(f"{name}: {wrong} makes no sense here", f"use {allowed}")
    written = getattr(watch, allowed)
    try:
        threshold = monitor.threshold if written is None else monitor.read(written)
    except ValueError as problem:
        raise InvalidInput(f"{name}: {allowed}: {problem}") from None
    return Watched(name.replace("-", "_"), monitor, threshold, watch.over / 1e6, watch.support)
