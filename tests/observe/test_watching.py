"""Monitors run over what was recorded: a breach is one incident, however often it is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, select

from headgate.kernel import RequestRecord
from headgate.observe import (
    AlertQuery,
    MonitorQuery,
    get_incident,
    list_alerts,
    list_monitors,
    run_monitors,
)
from headgate.store import Context, tables
from headgate.testing import FakeClock

Make = Callable[..., RequestRecord]
RELEASE = "sha256:" + "a" * 64


def serve(ctx: Context, watch: list[Any], name: str = "prod", **changes: Any) -> None:
    """Have an environment serve a release and watch something."""
    row = {
        "project_id": "acme", "app": "support", "name": name, "generation": 2, "stable": RELEASE, "previous": None,
        "started_at": 1.0, "rules": {"watch": watch}, "rules_digest": "d", "rules_by": "person_a",
    }  # fmt: skip
    ctx.tx.execute(insert(tables.environment).values(**{**row, **changes}))


def record(ctx: Context, made: list[RequestRecord]) -> list[str]:
    for item in made:
        ctx.store.spans.record(item)
    ctx.store.spans.flush()
    return [item.trace_id for item in made]


def incidents(ctx: Context) -> list[Any]:
    return ctx.tx.all(select(tables.incident))


def test_a_breach_is_stored_as_an_alert_and_opens_an_incident(ctx: Context, make: Make) -> None:
    serve(ctx, ["error_rate", "latency"])
    traces = record(ctx, [make(number, status="error") for number in range(40)])
    found = run_monitors(ctx, MonitorQuery())
    assert [(state.monitor, state.state) for state in found.monitors] == [("error_rate", "breach"), ("latency", "ok")]
    [opened] = found.opened
    incident = get_incident(ctx.tx, "acme", opened)
    assert (incident.app, incident.environment, incident.release) == ("support", "prod", RELEASE)
    assert (incident.source, incident.state) == ("monitor", "open")
    assert set(incident.trace_ids) == set(traces[-5:])
    assert incident.detail["monitor"] == "error_rate"
    assert incident.detail["playbook"]
    [alert] = list_alerts(ctx, AlertQuery()).alerts
    assert (alert.monitor, alert.value, alert.threshold, alert.incident_id) == ("error_rate", 1.0, 0.05, opened)


def test_a_second_run_joins_the_open_incident(ctx: Context, make: Make, clock: FakeClock) -> None:
    serve(ctx, ["error_rate"])
    record(ctx, [make(number, status="error") for number in range(40)])
    first = run_monitors(ctx, MonitorQuery()).opened
    clock.advance(60)
    later = record(ctx, [make(100 + number, status="error") for number in range(10)])
    assert run_monitors(ctx, MonitorQuery()).opened == first
    assert len(incidents(ctx)) == 1
    assert len(list_alerts(ctx, AlertQuery()).alerts) == 1, "one alert, not one a minute"
    assert set(later[-5:]) <= set(get_incident(ctx.tx, "acme", first[0]).trace_ids)


def test_after_the_incident_is_closed_a_breach_opens_another(ctx: Context, make: Make) -> None:
    serve(ctx, ["error_rate"])
    record(ctx, [make(number, status="error") for number in range(40)])
    [first] = run_monitors(ctx, MonitorQuery()).opened
    ctx.tx.execute(tables.incident.update().values(state="closed", closed_at=ctx.clock.now()))
    [second] = run_monitors(ctx, MonitorQuery()).opened
    assert second != first
    assert len(list_alerts(ctx, AlertQuery()).alerts) == 2


def test_looking_changes_nothing(ctx: Context, make: Make) -> None:
    serve(ctx, ["error_rate"])
    record(ctx, [make(number, status="error") for number in range(40)])
    [state] = list_monitors(ctx, MonitorQuery()).monitors
    assert (state.state, state.requests, state.needed) == ("breach", 40, 20)
    assert incidents(ctx) == []
    assert list_alerts(ctx, AlertQuery()).alerts == []


def test_below_its_support_a_monitor_is_quiet(ctx: Context, make: Make) -> None:
    serve(ctx, ["error_rate"])
    record(ctx, [make(number, status="error") for number in range(19)])
    [state] = run_monitors(ctx, MonitorQuery()).monitors
    assert (state.state, state.requests) == ("quiet", 19)
    assert incidents(ctx) == []


@pytest.mark.parametrize(
    "changes", [{"source": "evaluation"}, {"environment": "dev"}, {"app": "desk"}, {"project": "other"}]
)
def test_only_live_requests_of_the_environment_count(ctx: Context, make: Make, changes: dict[str, str]) -> None:
    serve(ctx, ["error_rate"])
    record(ctx, [make(number, status="error", **changes) for number in range(40)])
    [state] = run_monitors(ctx, MonitorQuery()).monitors
    assert (state.state, state.requests) == ("quiet", 0)


def test_the_window_ends_where_it_is_said_to(ctx: Context, make: Make, clock: FakeClock) -> None:
    serve(ctx, [{"error_rate": {"over": "10m"}}, "refusals"])
    old = [make(number, status="error", at=clock.now() - 11 * 60) for number in range(40)]
    record(ctx, [*old, *(make(100 + number) for number in range(30))])
    errors, refusals = run_monitors(ctx, MonitorQuery()).monitors
    assert (errors.state, errors.requests) == ("ok", 30)
    assert refusals.requests == 70, "a quarter of an hour unless said otherwise"
    clock.advance(5 * 60)
    assert run_monitors(ctx, MonitorQuery()).monitors[1].requests == 30


def test_route_mix_compares_with_the_time_before(ctx: Context, make: Make, clock: FakeClock) -> None:
    serve(ctx, ["route_mix"])
    record(ctx, [make(number, at=clock.now() - 30 * 60) for number in range(100)])
    record(ctx, [make(1000 + number) for number in range(60)])
    assert run_monitors(ctx, MonitorQuery()).monitors[0].state == "ok"
    record(ctx, [make(2000 + number, route="billing") for number in range(200)])
    [state] = run_monitors(ctx, MonitorQuery()).monitors
    assert state.state == "breach"
    assert "billing" in state.explanation


def test_environments_that_serve_nothing_are_not_watched(ctx: Context) -> None:
    serve(ctx, ["error_rate"], "empty", stable=None)
    serve(ctx, [], "silent")
    serve(ctx, ["error_rate"], "foreign", project_id="other")
    serve(ctx, ["error_rate"], "dev")
    assert [state.environment for state in list_monitors(ctx, MonitorQuery()).monitors] == ["dev"]


def test_a_query_names_app_and_environment(ctx: Context) -> None:
    for app, name in (("desk", "prod"), ("support", "dev"), ("support", "prod")):
        serve(ctx, ["cost_per_request"], name, app=app)
    asked = list_monitors(ctx, MonitorQuery(app="support", environment="prod")).monitors
    assert [(state.app, state.environment) for state in asked] == [("support", "prod")]
    assert len(list_monitors(ctx, MonitorQuery(environment="prod")).monitors) == 2


def test_alerts_are_listed_by_app_newest_first(ctx: Context, make: Make, clock: FakeClock) -> None:
    serve(ctx, ["error_rate"])
    serve(ctx, ["error_rate"], app="desk")
    record(ctx, [make(number, status="error") for number in range(40)])
    run_monitors(ctx, MonitorQuery())
    clock.advance(30)
    record(ctx, [make(100 + number, status="error", app="desk") for number in range(40)])
    run_monitors(ctx, MonitorQuery())
    assert [alert.app for alert in list_alerts(ctx, AlertQuery()).alerts] == ["desk", "support"]
    assert [alert.app for alert in list_alerts(ctx, AlertQuery(app="support")).alerts] == ["support"]
