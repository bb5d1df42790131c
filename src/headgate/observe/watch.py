"""A monitor is a scorer over a window of requests, with a threshold. Files in `monitors/` declare one each.

An environment's applied rules name what it watches: `watch: [error_rate, {latency: {at_most: 3s, over: 30m}}]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headgate.kernel import Duration, InvalidInput, RequestRecord, plugins
from headgate.store import Context

DAY_US = 86_400_000_000


class Watch(BaseModel):
    """How a signal is watched. `at_most` and `at_least` are in the monitor's unit; `over` is the window."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_most: str | float | None = None
    at_least: str | float | None = None
    over: Duration | None = None
    support: int | None = Field(None, ge=1, description="fewer requests than this raise nothing")


@dataclass(frozen=True, slots=True)
class Signal:
    """What a monitor measured: value and interval in the monitor's unit, over how many requests, and the worst ones.

    title: of the incident that a breach opens; without one it is named after the monitor. detail: more facts for it.
    """

    value: float
    low: float
    high: float
    count: int
    worst: tuple[str, ...] = ()
    explanation: str = ""
    title: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """Where and when a window is, for monitors that read more than requests. Times are epoch seconds."""

    ctx: Context
    app: str
    environment: str
    release: str
    since: float
    until: float
    support: int


Requests = Sequence[RequestRecord]


class Window:
    """What a monitor looks at: `requests` of the window, `before` those of the four windows before it, as reference.

    Both are read when they are first asked for. `look` is None where there is no store (a test, say).
    """

    def __init__(self, now: Callable[[], Requests], then: Callable[[], Requests], look: Look | None = None) -> None:
        self._now, self._then, self.look = now, then, look

    @classmethod
    def of(cls, requests: Requests, before: Requests = ()) -> Window:
        """Return a window of requests that are at hand."""
        return cls(lambda: requests, lambda: before)

    @cached_property
    def requests(self) -> Requests:
        return self._now()

    @cached_property
    def before(self) -> Requests:
        return self._then()


Measure = Callable[[Window], Signal]


@dataclass(frozen=True, slots=True)
class Monitor:
    """A plugin of `observe/monitors/`: what it measures, its unit, its default threshold, and what to do first.

    `bad` says which side is bad. `read` turns a threshold as people write it (`2%`, `3s`, `$0.004`) into the unit.
    `over_s` and `support` are the window and the fewest requests when an environment names none.
    """

    behaviour: int
    summary: str
    unit: str
    bad: str
    threshold: float
    measure: Measure
    read: Callable[[Any], float]
    playbook: str
    over_s: float = 15 * 60.0
    support: int = 20


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
    over_s = monitor.over_s if watch.over is None else watch.over / 1e6
    return Watched(name.replace("-", "_"), monitor, threshold, over_s, watch.support or monitor.support)
