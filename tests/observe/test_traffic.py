"""Traffic: sums, steps and groups of a window, equal to what was stored; and a foreign trace's spans as stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headgate.kernel import InvalidInput, RequestRecord, SpanRecord
from headgate.observe import Traffic, TrafficQuery, show_traffic
from headgate.observe.stages import stages_of
from headgate.store import Context

Make = Callable[..., RequestRecord]


def show(ctx: Context, **asked: Any) -> Traffic:
    return show_traffic(ctx, TrafficQuery.model_validate(asked))


@pytest.fixture
def filled(ctx: Context, make: Make) -> Context:
    """Ten answers an hour ago, two blocked and one error now; an evaluation and another app beside them."""
    now = ctx.clock.now()
    for number in range(10):
        ctx.store.spans.record(make(number, at=now - 3600, latency_us=1000 * (number + 1), input_tokens=3))
    ctx.store.spans.record(make(20, at=now - 1, status="blocked", route="billing"))
    ctx.store.spans.record(make(21, at=now - 1, status="blocked", route="billing"))
    ctx.store.spans.record(make(22, at=now - 1, status="error", route="billing", latency_us=2_000_000))
    ctx.store.spans.record(make(23, at=now - 1, source="evaluation"))
    ctx.store.spans.record(make(24, at=now - 1, app="desk", environment="dev"))
    ctx.store.spans.flush()
    return ctx


def test_totals_points_and_groups_agree(filled: Context) -> None:
    shown = show(filled, app="support", last="2h", by="route")
    assert (shown.totals.requests, shown.totals.blocked, shown.totals.errors) == (13, 2, 1)
    assert shown.totals.cost_usd == "0.013"
    assert shown.totals.input_tokens == 30
    assert sum(point.requests for point in shown.points) == 13
    assert [(group.name, group.requests) for group in shown.groups] == [("default", 10), ("billing", 3)]
    assert abs(shown.groups[0].p50_ms - 5) < 0.3
    assert abs(shown.totals.p99_ms - 2000) < 100


def test_every_step_is_there_also_those_without_a_request(filled: Context) -> None:
    shown = show(filled, last="3h", step="30m")
    assert shown.step_s == 1800
    assert len(shown.points) == 7
    assert sum(1 for point in shown.points if point.requests) == 2
    assert shown.points[0].at == shown.since
    quiet = next(point for point in shown.points if not point.requests)
    assert (quiet.cost_usd, quiet.p95_ms) == ("0", 0)


@pytest.mark.parametrize(
    ("asked", "requests"),
    [
        ({}, 14),
        ({"app": "desk"}, 1),
        ({"environment": "prod"}, 13),
        ({"source": "evaluation"}, 1),
        ({"source": "all"}, 15),
        ({"last": "5m"}, 4),
        ({"app": "nowhere"}, 0),
    ],
)
def test_filters_narrow(filled: Context, asked: dict[str, Any], requests: int) -> None:
    assert show(filled, **asked).totals.requests == requests


@pytest.mark.parametrize(
    ("last", "step_s"),
    [("5m", 300), ("6h", 300), ("12h", 900), ("24h", 3600), ("72h", 3600), ("7d", 21_600), ("60d", 86_400)],
)
def test_a_window_has_72_points_at_most(ctx: Context, last: str, step_s: int) -> None:
    shown = show(ctx, last=last)
    assert shown.step_s == step_s
    assert len(shown.points) <= 74  # the first and the last may be parts


def test_a_step_is_a_multiple_of_five_minutes_and_not_too_fine(ctx: Context) -> None:
    assert show(ctx, last="1h", step="7m").step_s == 600
    with pytest.raises(InvalidInput, match="2000 points"):
        show(ctx, last="90d", step="5m")


def test_long_windows_agree_with_short_ones(filled: Context) -> None:
    """Hourly roll-ups and those of 5 minutes are of the same requests."""
    fine, coarse = show(filled, last="24h", step="5m"), show(filled, last="24h", step="1h")
    assert fine.totals == coarse.totals == show(filled, last="24h", step="6h").totals


def test_another_projects_traffic_is_not_there(ctx: Context, make: Make) -> None:
    ctx.store.spans.record(make(1, project="other", at=ctx.clock.now()))
    ctx.store.spans.flush()
    assert show(ctx).totals.requests == 0


def span(name: str, parent: str, at: float, **changes: Any) -> SpanRecord:
    plain = SpanRecord("acme", "a" * 32, name, parent, f"step {name}", "internal", at, 1000, "ok")
    return replace(plain, **changes)


def test_spans_become_a_tree_in_order() -> None:
    spans = [
        span("c", "b", 10.2, cost_nano=5_000_000, attributes={"top_k": 3, "list": [1]}), span("b", "a", 10.1),
        span("a", "", 10.0), span("d", "a", 10.05), span("e", "gone", 10.3),
    ]  # fmt: skip
    stages = stages_of(spans)
    assert [(stage["id"], stage["depth"]) for stage in stages] == [("a", 0), ("d", 1), ("b", 1), ("c", 2), ("e", 0)]
    assert stages[3]["start_us"] == 200_000
    assert stages[3]["facts"] == {"kind": "internal", "status": "ok", "cost_usd": "0.005", "top_k": 3}


def test_spans_that_go_in_circles_or_deep_are_shown_once_each() -> None:
    circle = [span("a", "b", 1), span("b", "a", 2), span("c", "c", 3)]
    assert sorted(stage["id"] for stage in stages_of(circle)) == ["a", "b", "c"]
    deep = [span(str(number), str(number - 1) if number else "", number) for number in range(5000)]
    stages = stages_of(deep)
    assert len(stages) == 2000
    assert stages[-1]["depth"] == 1999
    assert stages_of([]) == []


def test_what_observing_guards_would_have_done_is_counted_per_guard_side_and_verdict(ctx: Context, make: Make) -> None:
    now = ctx.clock.now()

    def told(*said: str) -> dict[str, Any]:
        return {"observed": True, **dict(item.split("=") for item in said)}

    blocks, fails = "observed.input.injection=block", "observed.output.own=error_allowed"
    for number in range(6):
        ctx.store.spans.record(make(number, at=now - 10, attributes=told(blocks, *([fails] if number < 2 else []))))
    ctx.store.spans.record(make(10, at=now - 10, attributes={"finish_reason": "stop"}))
    ctx.store.spans.record(make(11, at=now - 10, attributes=told(blocks), environment="dev"))
    ctx.store.spans.record(make(12, at=now - 10, attributes=told(blocks), source="guards"))
    ctx.store.spans.record(make(13, at=now - 90_000, attributes=told(blocks)))
    ctx.store.spans.flush()
    shown = show(ctx, environment="prod", last="2h")
    assert [(item.guard, item.side, item.verdict, item.requests) for item in shown.observed] == [
        ("injection", "input", "block", 6),
        ("own", "output", "error_allowed", 2),
    ]
    assert shown.totals.requests == 7
    assert [item.requests for item in show(ctx, last="2h", source="guards").observed] == [1]
    assert show(ctx, app="nothing").observed == []
