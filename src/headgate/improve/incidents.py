"""Operations on incidents: list, show, open by hand, close. Breaches and feedback open them elsewhere."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, update

from headgate.kernel import Conflict
from headgate.observe import Incident, OpenIncident, find_record, get_incident, incident_of, open_incident
from headgate.store import Context, tables


class IncidentQuery(BaseModel):
    """Which incidents to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    state: Literal["open", "closed", "all"] = Field("open", description="open, closed or all")
    app: str | None = Field(None, description="only this app")
    limit: int = Field(50, ge=1, le=1000, description="how many at most")


class IncidentList(BaseModel):
    model_config = ConfigDict(frozen=True)
    incidents: list[Incident]


class IncidentShow(BaseModel):
    """Which incident to show."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    incident_id: str = Field(description="its id, inc_…")


class OpenFromTrace(BaseModel):
    """A trace that somebody finds wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    trace_id: str = Field(description="the trace that shows it")
    title: str = Field(min_length=3, max_length=200, description="what is wrong, in one line")


class CloseIncident(BaseModel):
    """An incident that is dealt with, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    incident_id: str = Field(description="its id, inc_…")
    note: str = Field("", max_length=2000, description="what was done")


def list_incidents(ctx: Context, request: IncidentQuery) -> IncidentList:
    """List incidents, newest first."""
    table = tables.incident
    query = select(table).where(table.c.project_id == ctx.principal.project).order_by(table.c.opened_at.desc())
    if request.state != "all":
        query = query.where(table.c.state == request.state)
    if request.app:
        query = query.where(table.c.app == request.app)
    return IncidentList(incidents=[incident_of(row) for row in ctx.tx.all(query.limit(request.limit))])


def show(ctx: Context, request: IncidentShow) -> Incident:
    """Show one incident."""
    return get_incident(ctx.tx, ctx.principal.project, request.incident_id)


def open_from_trace(ctx: Context, request: OpenFromTrace) -> Incident:
    """Open an incident on a trace."""
    record = find_record(ctx.store.spans, ctx.principal.project, request.trace_id)
    incident_id = open_incident(
        ctx.tx,
        ctx.principal.project,
        OpenIncident(
            app=record.app,
            environment=record.environment,
            release=record.release,
            title=request.title,
            source="manual",
            trace_ids=[record.trace_id],
            subject=record.subject,
        ),
        ctx.clock.now(),
    )
    return get_incident(ctx.tx, ctx.principal.project, incident_id)


def close(ctx: Context, request: CloseIncident) -> Incident:
    """Close an incident with a note. Raises Conflict when it is closed already."""
    incident = get_incident(ctx.tx, ctx.principal.project, request.incident_id)
    if incident.state == "closed":
        raise Conflict(f"{incident.id} is closed already", f"since {incident.closed_at}")
    table = tables.incident
    detail = {**incident.detail, "closed_by": ctx.principal.person, "note": request.note}
    ctx.tx.execute(
        update(table)
        .where(table.c.project_id == ctx.principal.project, table.c.id == incident.id, table.c.state == "open")
        .values(state="closed", closed_at=ctx.clock.now(), detail=detail)
    )
    return get_incident(ctx.tx, ctx.principal.project, incident.id)
