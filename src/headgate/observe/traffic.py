"""Traffic over time: requests, errors, cost and latency of a window, read from roll-ups alone, however long it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Duration, InvalidInput, iso, units
from headgate.store import STEPS, Context, Grain, Latency, Rollup, SpanQuery

_DAY_US = 86_400_000_000
_CHOICES = (300, 900, 3600, 21_600, 86_400)
_POINTS = 72
_MOST_POINTS = 2_000
_MOST_OBSERVED = 100_000


class TrafficQuery(BaseModel):
    """Which traffic, and how finely."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str | None = Field(None, description="only this app")
    environment: str | None = Field(None, description="only this environment")
    source: Literal["live", "evaluation", "replay", "guards", "embeddings", "otlp", "all"] = Field(
        "live",
        description="live, evaluation, replay, guards (asked alone), embeddings, otlp (what others recorded) or all",
    )
    last: Duration = Field(_DAY_US, gt=0, description="how far to look back: 6h, 24h, 7d …")
    step: Duration | None = Field(None, description="width of a point, in multiples of 5m; chosen when left out")
    by: Literal["release", "route", "model", "status", "app", "environment"] | None = Field(
        None, description="also apart by release, route, model, status, app or environment"
    )


class TrafficSum(BaseModel):
    """What requests came to. Money in USD, latencies in milliseconds, at most 5 % off; 0 without a request."""

    model_config = ConfigDict(frozen=True)
    requests: int
    errors: int
    blocked: int
    cost_usd: str
    input_tokens: int
    output_tokens: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class TrafficPoint(TrafficSum):
    """One step of time, from `at` on."""

    at: str


class TrafficGroup(TrafficSum):
    """One value of what was asked for by `by`."""

    name: str


class Observed(BaseModel):
    """What a guard that only observes would have done, and to how many requests: `block` and `mask`, or
    `error_allowed`, when it failed and nobody knows."""

    model_config = ConfigDict(frozen=True)
    guard: str
    side: str
    verdict: str
    requests: int


class Traffic(BaseModel):
    """A window's traffic: all of it, per step (steps without a request too), and per value of `by`, largest first.

    observed: what guards that only observe would have done, the most frequent first.
    """

    model_config = ConfigDict(frozen=True)
    since: str
    until: str
    step_s: int
    by: str | None
    totals: TrafficSum
    points: list[TrafficPoint]
    groups: list[TrafficGroup]
    observed: list[Observed] = Field(default_factory=list)


def show_traffic(ctx: Context, request: TrafficQuery) -> Traffic:
    """Sum up a window of traffic. It begins on a full step. Raises InvalidInput for a step that would be too fine."""
    now, step = ctx.clock.now(), _step(request)
    since = int((now - request.last / 1e6) // step * step)
    found = _read(ctx, request, (since, now), step)
    points: dict[int, list[Rollup]] = {at: [] for at in range(since, int(now) + 1, step)}
    groups: dict[str, list[Rollup]] = {}
    for item in found:
        points[item.at // step * step].append(item)
        if request.by is not None:
            groups.setdefault(getattr(item, request.by), []).append(item)
    return Traffic(
        since=iso(since),
        until=iso(now),
        step_s=step,
        by=request.by,
        totals=TrafficSum(**_sum(found)),
        points=[TrafficPoint(at=iso(at), **_sum(items)) for at, items in points.items()],
        groups=sorted(
            (TrafficGroup(name=name, **_sum(items)) for name, items in groups.items()),
            key=lambda group: (-group.requests, group.name),
        ),
        observed=_observed(ctx, request, (since, now)),
    )


def _step(request: TrafficQuery) -> int:
    """Return a point's width in seconds: as asked for, else so that there are 72 points at most, but for years."""
    seconds = request.last / 1e6
    if request.step is None:
        return next((step for step in _CHOICES if seconds <= step * _POINTS), _CHOICES[-1])
    step = max(1, -(-request.step // (STEPS[0] * 1_000_000))) * STEPS[0]
    if seconds / step > _MOST_POINTS:
        raise InvalidInput(f"that would be more than {_MOST_POINTS} points", "ask for a wider step")
    return step


def _read(ctx: Context, request: TrafficQuery, window: tuple[float, float], step: int) -> list[Rollup]:
    by = ("source",) if request.by is None else ("source", request.by)
    grain = Grain(max(width for width in STEPS if step % width == 0), by)
    found = ctx.store.spans.rollups(ctx.project, *window, app=request.app, environment=request.environment, grain=grain)
    return [item for item in found if request.source in ("all", item.source)]


def _observed(ctx: Context, request: TrafficQuery, window: tuple[float, float]) -> list[Observed]:
    """Count verdicts of observing guards, by an index that holds only the requests which have some."""
    query = SpanQuery(
        project=ctx.project,
        app=request.app,
        environment=request.environment,
        source=None if request.source == "all" else request.source,
        since=window[0],
        until=window[1],
        attributes={"observed": "true"},
        limit=_MOST_OBSERVED,
    )
    found = []
    for (name, verdict), count in ctx.store.spans.counted(query, "observed.").items():
        _, side, guard = name.split(".", 2)
        found.append(Observed(guard=guard, side=side, verdict=verdict, requests=count))
    return sorted(found, key=lambda item: (-item.requests, item.side, item.guard, item.verdict))


def _sum(items: Sequence[Rollup]) -> dict[str, int | float | str]:
    p50, p95, p99 = Latency.total(item.latency for item in items).percentile(0.5, 0.95, 0.99)
    return {
        "requests": _total(item.requests for item in items),
        "errors": _total(item.errors for item in items),
        "blocked": _total(item.blocked for item in items),
        "cost_usd": units.usd(_total(item.cost_nano for item in items)),
        "input_tokens": _total(item.input_tokens for item in items),
        "output_tokens": _total(item.output_tokens for item in items),
        "p50_ms": p50 / 1000,
        "p95_ms": p95 / 1000,
        "p99_ms": p99 / 1000,
    }


def _total(numbers: Iterable[int]) -> int:
    return sum(numbers)
