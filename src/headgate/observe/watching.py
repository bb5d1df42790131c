"""Monitors run: each watched signal of each served environment is measured; a breach becomes an alert and an incident.

The server calls `run_monitors` every minute, people by `headgate monitor run`. It acts on nothing: `release` reads
the incidents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate.kernel import RequestRecord, iso
from headgate.store import Context, tables

from .alerts import add_alert
from .incidents import OpenIncident, open_incident
from .watch import Look, Signal, Watched, Window, compile_watch


class MonitorQuery(BaseModel):
    """Which monitors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str | None = Field(None, description="only this app")
    environment: str | None = Field(None, description="only this environment")


class MonitorState(BaseModel):
    """One watched signal now. Values are in `unit`; `state` is quiet when there are too few requests to say."""

    model_config = ConfigDict(frozen=True)
    app: str
    environment: str
    release: str
    monitor: str
    summary: str
    unit: str
    value: float
    low: float
    high: float
    threshold: float
    bad: str
    requests: int
    needed: int
    state: str
    incident_id: str | None = None
    explanation: str = ""
    playbook: str = ""


class MonitorList(BaseModel):
    model_config = ConfigDict(frozen=True)
    monitors: list[MonitorState]
    at: str


class MonitorRun(BaseModel):
    """What a run of the monitors found; `opened` names the incidents of the breaches."""

    model_config = ConfigDict(frozen=True)
    monitors: list[MonitorState]
    opened: list[str]
    at: str


def list_monitors(ctx: Context, request: MonitorQuery) -> MonitorList:
    """Measure every watched signal now, and change nothing."""
    states = [_state(row, watched, _measure(ctx, row, watched)) for row, watched in _watched(ctx, request)]
    return MonitorList(monitors=states, at=iso(ctx.clock.now()))


def run_monitors(ctx: Context, request: MonitorQuery) -> MonitorRun:
    """Measure every watched signal; each breach is stored as an alert and opens (or joins) an incident."""
    states, opened = [], []
    for row, watched in _watched(ctx, request):
        signal = _measure(ctx, row, watched)
        incident_id = _raise(ctx, row, watched, signal) if watched.breached(signal) else None
        if incident_id:
            opened.append(incident_id)
        states.append(_state(row, watched, signal, incident_id))
    return MonitorRun(monitors=states, opened=opened, at=iso(ctx.clock.now()))


def _watched(ctx: Context, request: MonitorQuery) -> Iterator[tuple[Mapping[str, Any], Watched]]:
    table = tables.environment
    query = select(table).where(table.c.project_id == ctx.principal.project, table.c.stable.is_not(None))
    if request.app:
        query = query.where(table.c.app == request.app)
    if request.environment:
        query = query.where(table.c.name == request.environment)
    for row in ctx.tx.all(query.order_by(table.c.app, table.c.name)):
        for watched in compile_watch((row["rules"] or {}).get("watch", [])):
            yield row, watched


def _measure(ctx: Context, row: Mapping[str, Any], watched: Watched) -> Signal:
    until = ctx.clock.now()
    since, app, name = until - watched.over_s, row["app"], row["name"]

    def read(first: float, last: float) -> list[RequestRecord]:
        return ctx.store.spans.window(ctx.principal.project, app, name, first, last)

    look = Look(ctx, app, name, row["stable"], since, until, watched.support)
    return watched.monitor.measure(
        Window(lambda: read(since, until), lambda: read(until - 5 * watched.over_s, since), look)
    )


def _raise(ctx: Context, row: Mapping[str, Any], watched: Watched, signal: Signal) -> str:
    now = ctx.clock.now()
    facts = {"monitor": watched.name, "value": signal.value, "threshold": watched.threshold, "requests": signal.count}
    facts["unit"] = watched.monitor.unit
    incident_id = open_incident(
        ctx.tx,
        ctx.principal.project,
        OpenIncident(
            app=row["app"],
            environment=row["name"],
            release=row["stable"],
            title=signal.title
            or f"{watched.name} {'above' if watched.monitor.bad == 'high' else 'below'} its threshold",
            source="monitor",
            trace_ids=list(signal.worst),
            detail={
                **facts,
                "explanation": signal.explanation,
                "playbook": watched.monitor.playbook,
                **signal.detail,
            },
        ),
        now,
    )
    add_alert(
        ctx.tx,
        ctx.principal.project,
        {
            "monitor": watched.name,
            "app": row["app"],
            "environment": row["name"],
            "value": signal.value,
            "threshold": watched.threshold,
            "detail": {"requests": signal.count, "low": signal.low, "high": signal.high, **signal.detail},
            "at": now,
            "incident_id": incident_id,
        },
    )
    return incident_id


def _state(row: Mapping[str, Any], watched: Watched, signal: Signal, incident_id: str | None = None) -> MonitorState:
    enough = signal.count >= watched.support
    return MonitorState(
        app=row["app"],
        environment=row["name"],
        release=row["stable"],
        monitor=watched.name,
        summary=watched.monitor.summary,
        unit=watched.monitor.unit,
        value=signal.value,
        low=signal.low,
        high=signal.high,
        threshold=watched.threshold,
        bad=watched.monitor.bad,
        requests=signal.count,
        needed=watched.support,
        state=("breach" if watched.breached(signal) else "ok") if enough else "quiet",
        incident_id=incident_id,
        explanation=signal.explanation,
        playbook=watched.monitor.playbook,
    )
