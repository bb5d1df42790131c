"""Incidents: a breach, a complaint or a finding as a piece of work. Monitors open them; `improve` works on them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import insert, select, text, update

from headgate.kernel import NotFound, iso, new_id
from headgate.store import Transaction, tables

Origin = Literal["monitor", "feedback", "guard", "integrity", "manual"]
_MOST_TRACES = 50


class OpenIncident(BaseModel):
    """What is known when an incident is opened; `detail` holds facts, never conversation text."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str
    environment: str
    release: str
    title: str
    source: Origin
    trace_ids: list[str] = Field(default_factory=list)
    detail: dict[str, Any] = Field(default_factory=dict)
    subject: str = ""


class Incident(BaseModel):
    """An incident as people see it."""

    model_config = ConfigDict(frozen=True)
    id: str
    app: str
    environment: str
    release: str
    title: str
    state: Literal["open", "closed"]
    source: Origin
    trace_ids: list[str]
    detail: dict[str, Any]
    opened_at: str
    closed_at: str | None
    scenario: str | None


def open_incident(tx: Transaction, project: str, incident: OpenIncident, now: float) -> str:
    """Open an incident and return its id; one that is open for the same thing takes the traces instead.

    The same thing: same app, environment, source and title.
    """
    table = tables.incident
    if tx.dialect == "postgresql":  # several servers watch: one opens it, the others find it
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 8))").bindparams(name=project))
    same = tx.one(
        select(table.c.id).where(
            table.c.project_id == project,
            table.c.app == incident.app,
            table.c.environment == incident.environment,
            table.c.source == incident.source,
            table.c.title == incident.title,
            table.c.state == "open",
        )
    )
    if same is not None:
        add_traces(tx, project, same["id"], incident.trace_ids)
        return str(same["id"])
    incident_id = new_id("inc")
    tx.execute(
        insert(table).values(
            id=incident_id,
            project_id=project,
            state="open",
            opened_at=now,
            closed_at=None,
            scenario=None,
            **{**incident.model_dump(), "trace_ids": incident.trace_ids[:_MOST_TRACES]},
        )
    )
    return incident_id


def add_traces(tx: Transaction, project: str, incident_id: str, trace_ids: list[str]) -> None:
    """Add traces to an open incident, each once, up to 50."""
    table = tables.incident
    row = tx.one(select(table).where(table.c.project_id == project, table.c.id == incident_id))
    if row is None:
        raise NotFound(f"there is no incident {incident_id}", "list them with headgate incident list")
    merged = list(dict.fromkeys([*row["trace_ids"], *trace_ids]))[:_MOST_TRACES]
    if merged != list(row["trace_ids"]):
        tx.execute(
            update(table).where(table.c.project_id == project, table.c.id == incident_id).values(trace_ids=merged)
        )


def get_incident(tx: Transaction, project: str, incident_id: str) -> Incident:
    """Return one incident. Raises NotFound."""
    table = tables.incident
    row = tx.one(select(table).where(table.c.project_id == project, table.c.id == incident_id))
    if row is None:
        raise NotFound(f"there is no incident {incident_id}", "list them with headgate incident list")
    return incident_of(row)


def incident_of(row: Any) -> Incident:
    """Turn a row into the shape that people see."""
    fields = {name: row[name] for name in Incident.model_fields}
    closed = row["closed_at"]
    return Incident(**{**fields, "opened_at": iso(row["opened_at"]), "closed_at": iso(closed) if closed else None})
