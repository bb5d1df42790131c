"""When a model is to be trained again: drift, labels, schedule, as its environment's rules say. Reads only.

The server looks every minute and starts the job for what is `ready`; people see with `headgate retraining triggers`
what is waited for. Without labels that are new since the last retraining nothing is ever ready: the same data would
give the same model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate.kernel import units
from headgate.release import Environment, RetrainEntry, find_environment
from headgate.store import Context, tables

from .labels import decided, waiting
from .retraining import newest, shown


class TriggerQuery(BaseModel):
    """Which models."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    environment: str | None = Field(None, description="only this environment")
    app: str | None = Field(None, description="only this app")
    model: str | None = Field(None, description="only this model")


class Trigger(BaseModel):
    """One model of one environment: whether it is to be retrained now, and why or what is missing."""

    model_config = ConfigDict(frozen=True)
    app: str
    environment: str
    model: str
    ready: bool
    words: str
    new_labels: int
    open_questions: int
    last: str | None


class TriggerList(BaseModel):
    model_config = ConfigDict(frozen=True)
    triggers: list[Trigger]


def list_triggers(ctx: Context, request: TriggerQuery) -> TriggerList:
    """Look at every model that an environment's rules retrain."""
    table = tables.environment
    query = select(table.c.app, table.c.name).where(table.c.project_id == ctx.project, table.c.stable.is_not(None))
    if request.environment:
        query = query.where(table.c.name == request.environment)
    if request.app:
        query = query.where(table.c.app == request.app)
    found = []
    for row in ctx.tx.all(query.order_by(table.c.app, table.c.name)):
        environment = find_environment(ctx.tx, ctx.project, row["app"], row["name"])
        for model, entry in (environment.rules.retrain if environment.rules else {}).items():
            if request.model in (None, model):
                found.append(_look(ctx, environment, model, entry))
    return TriggerList(triggers=found)


def _look(ctx: Context, environment: Environment, model: str, entry: RetrainEntry) -> Trigger:
    rows = newest(ctx.tx, ctx.project, environment.app, environment.name, model)
    labels = len(decided(ctx.tx, ctx.project, model, _until(rows[0]) if rows else 0.0))
    questions = waiting(ctx.tx, ctx.project, model)
    busy = _busy(ctx, rows[0]) if rows else ""
    why, lacking = _reasons(ctx, environment, model, (entry, labels, rows))
    ready = bool(why) and labels > 0 and not busy
    if busy:
        words = busy
    elif ready:
        words = "; ".join(why)
    elif why:
        words = f"{'; '.join(why)}, but no label is new since the last retraining: answer label questions first"
    else:
        words = "; ".join(lacking) or "only by hand"
    return Trigger(
        app=environment.app,
        environment=environment.name,
        model=model,
        ready=ready,
        words=words,
        new_labels=labels,
        open_questions=questions,
        last=rows[0]["id"] if rows else None,
    )


def _until(row: Mapping[str, Any]) -> float:
    """Return up to when labels were looked at by a retraining."""
    step = row["steps"].get("labels")
    return float((step or {}).get("facts", {}).get("until") or row["created_at"])


def _busy(ctx: Context, row: Mapping[str, Any]) -> str:
    found = shown(ctx.tx, row)
    if found.state == "running":
        return f"{found.id} is running"
    return f"the candidate of {found.id} waits: {found.words}" if found.state == "waiting" else ""


def _reasons(
    ctx: Context, environment: Environment, model: str, known: tuple[RetrainEntry, int, list[Mapping[str, Any]]]
) -> tuple[list[str], list[str]]:
    """Return the triggers that fire, and what the others wait for."""
    entry, labels, rows = known
    why: list[str] = []
    lacking: list[str] = []
    if entry.drift:
        fired, words = _drift(ctx, environment, model, rows)
        (why if fired else lacking).append(words)
    if entry.labels is not None:
        told = f"{labels} of {entry.labels} labels are there"
        (why if labels >= entry.labels else lacking).append(told)
    if entry.every is not None:
        begun = rows[0]["created_at"] if rows else environment.started_at or ctx.now
        left = begun + entry.every / 1e6 - ctx.now
        every = units.duration(entry.every)
        (why if left <= 0 else lacking).append(f"every {every}" + (f", in {left / 86_400:.1f} d" if left > 0 else ""))
    return why, lacking


def _drift(ctx: Context, environment: Environment, model: str, rows: list[Mapping[str, Any]]) -> tuple[bool, str]:
    """Look for an open drift incident of the model that no candidate has answered yet."""
    table = tables.incident
    query = select(table).where(
        table.c.project_id == ctx.project,
        table.c.app == environment.app,
        table.c.environment == environment.name,
        table.c.state == "open",
    )
    answered = max((row["created_at"] for row in rows if row["state"] in ("waiting", "promoted")), default=0.0)
    for row in ctx.tx.all(query.order_by(table.c.opened_at.desc())):
        detail = row["detail"]
        if detail.get("monitor") != "drift" or detail.get("model") != model or row["opened_at"] <= answered:
            continue
        left = waiting(ctx.tx, ctx.project, model, row["id"])
        if left:
            return False, f"{row['id']} says that its inputs have moved; {left} of its label questions are open"
        return True, f"{row['id']} says that its inputs have moved"
    return False, "no drift"
