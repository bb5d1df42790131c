"""Alerts: breaches as they were seen, one row each, never changed afterwards. Written by monitors, read by people."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import insert, select

from headgate.kernel import iso, new_id
from headgate.store import Context, Transaction, tables


class AlertQuery(BaseModel):
    """Which alerts to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str | None = Field(None, description="only this app")
    limit: int = Field(50, ge=1, le=1000, description="how many at most")


class Alert(BaseModel):
    """One breach: value and threshold in the monitor's unit."""

    model_config = ConfigDict(frozen=True)
    id: str
    monitor: str
    app: str
    environment: str
    value: float
    threshold: float
    at: str
    incident_id: str
    detail: dict[str, Any]


class AlertList(BaseModel):
    model_config = ConfigDict(frozen=True)
    alerts: list[Alert]


def list_alerts(ctx: Context, request: AlertQuery) -> AlertList:
    """List alerts, newest first."""
    table = tables.alert
    query = select(table).where(table.c.project_id == ctx.principal.project).order_by(table.c.at.desc())
    if request.app:
        query = query.where(table.c.app == request.app)
    rows = ctx.tx.all(query.limit(request.limit))
    return AlertList(alerts=[Alert(**{**_fields(row), "at": iso(row["at"])}) for row in rows])


def add_alert(tx: Transaction, project: str, alert: dict[str, Any]) -> str | None:
    """Store one breach and return its id; None when its incident has raised this alert already."""
    table = tables.alert
    same = (table.c.project_id == project, table.c.incident_id == alert["incident_id"])
    if tx.one(select(table.c.id).where(*same, table.c.monitor == alert["monitor"])) is not None:
        return None
    alert_id = new_id("alt")
    tx.execute(insert(table).values(id=alert_id, project_id=project, **alert))
    return alert_id


def _fields(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in Alert.model_fields}
