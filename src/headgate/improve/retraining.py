"""Retrainings as records: opened once for a model in an environment, filled step by step, listed and shown.

The job writes them through `Journal`; people read them with `retraining.list` and `retraining.show`. Nothing here
trains or judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, update

from headgate.evaluate import insert_missing
from headgate.kernel import Conflict, NotFound, iso, new_id
from headgate.store import Context, Transaction, Work, jobs, tables

Step = Literal["labels", "data", "train", "contest", "release", "evidence", "gate", "promotion", "proposal"]
STEPS: tuple[Step, ...] = get_args(Step)
State = Literal["running", "waiting", "promoted", "stopped", "failed"]
_OUTCOMES: Mapping[str, str] = {"promoted": "pass", "running": "review", "waiting": "review"}


class RetrainingQuery(BaseModel):
    """Which retrainings to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str | None = Field(None, description="only this model")
    app: str | None = Field(None, description="only this app")
    environment: str | None = Field(None, description="only this environment")
    limit: int = Field(20, ge=1, le=1000, description="how many at most")


class RetrainingShow(BaseModel):
    """Which retraining."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    retraining_id: str = Field(description="its id, rtr_…")


class StepShown(BaseModel):
    """One step: what came out, in a sentence and in figures."""

    model_config = ConfigDict(frozen=True)
    name: str
    state: Literal["done", "stopped"]
    words: str
    at: str
    facts: dict[str, Any]


class Retraining(BaseModel):
    """One retraining. `waiting`: the candidate passed and needs approvals. `stopped`: nothing moved, for `words`."""

    model_config = ConfigDict(frozen=True)
    id: str
    app: str
    environment: str
    model: str
    state: State
    outcome: Literal["pass", "fail", "review"]
    words: str
    candidate: str
    steps: list[StepShown]
    job_id: str
    created_by: str
    created_at: str
    finished_at: str | None


class RetrainingList(BaseModel):
    model_config = ConfigDict(frozen=True)
    retrainings: list[Retraining]


def list_retrainings(ctx: Context, request: RetrainingQuery) -> RetrainingList:
    """List retrainings, newest first."""
    table = tables.retraining
    query = (
        select(table).where(table.c.project_id == ctx.project).order_by(table.c.created_at.desc(), table.c.id.desc())
    )
    for name in ("model", "app", "environment"):
        if wanted := getattr(request, name):
            query = query.where(table.c[name] == wanted)
    return RetrainingList(retrainings=[shown(ctx.tx, row) for row in ctx.tx.all(query.limit(request.limit))])


def show_retraining(ctx: Context, request: RetrainingShow) -> Retraining:
    """Show one retraining with its steps. Raises NotFound."""
    table = tables.retraining
    row = ctx.tx.one(select(table).where(table.c.project_id == ctx.project, table.c.id == request.retraining_id))
    if row is None:
        raise NotFound(f"there is no retraining {request.retraining_id}", "list them with headgate retraining list")
    return shown(ctx.tx, row)


def shown(tx: Transaction, row: Mapping[str, Any]) -> Retraining:
    """Turn a row into the shape that people see; a candidate that was promoted since no longer waits."""
    state, words = row["state"], row["words"]
    if state == "waiting" and _served(tx, row):
        state, words = "promoted", f"{row['environment']} of {row['app']} has served it since"
    steps = [
        StepShown(
            name=name, state="stopped" if step.get("stopped") else "done", words=step["words"], at=iso(step["at"]),
            facts=step["facts"],
        )
        for name in STEPS if (step := row["steps"].get(name))
    ]  # fmt: skip
    names = ("id", "app", "environment", "model", "candidate", "job_id", "created_by")
    return Retraining(
        **{name: row[name] for name in names},
        state=state,
        outcome=_OUTCOMES.get(state, "fail"),
        words=words,
        steps=steps,
        created_at=iso(row["created_at"]),
        finished_at=iso(row["finished_at"]) if row["finished_at"] else None,
    )


def newest(tx: Transaction, project: str, app: str, environment: str, model: str) -> list[Mapping[str, Any]]:
    """Return the rows of a model's retrainings in an environment, newest first."""
    table = tables.retraining
    return tx.all(
        select(table)
        .where(
            table.c.project_id == project,
            table.c.app == app,
            table.c.environment == environment,
            table.c.model == model,
        )
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(50)
    )


@dataclass(slots=True)
class Journal:
    """The row of a running retraining; only the job that owns it may write, one step after the other."""

    work: Work
    id: str
    model: str
    job_id: str
    steps: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, work: Work, app: str, environment: str, model: str) -> Journal:
        """Open a retraining, or continue the one whose job was killed. Raises Conflict while another job runs it."""
        project, open_for = work.principal.project, f"{app}@{environment} {model}"
        table = tables.retraining
        fresh = {
            "project_id": project, "id": new_id("rtr"), "app": app, "environment": environment, "model": model,
            "state": "running", "open_for": open_for, "step": 0, "steps": {}, "words": "", "candidate": "",
            "job_id": work.job_id, "created_by": work.principal.person, "created_at": work.clock.now(),
            "finished_at": None,
        }  # fmt: skip
        with work.store.records.begin() as tx:
            insert_missing(tx, table, [fresh])
            row = tx.one(select(table).where(table.c.project_id == project, table.c.open_for == open_for))
            assert row is not None
            if row["job_id"] != work.job_id:
                if not _abandoned(tx, project, row["job_id"], work.clock.now()):
                    hint = f"see `headgate retraining show {row['id']}`"
                    raise Conflict(f"{model} is being retrained for {environment} of {app} already", hint)
                tx.execute(update(table).where(table.c.id == row["id"]).values(job_id=work.job_id))
        return cls(work, row["id"], model, work.job_id, dict(row["steps"]))

    def facts(self, step: Step) -> dict[str, Any]:
        """Return what a finished step found."""
        found: dict[str, Any] = self.steps[step]["facts"]
        return found

    def write(self, step: Step, words: str, facts: Mapping[str, Any], stopped: bool = False) -> None:
        """Store a step's outcome. Raises Conflict when another job has gone on with this retraining."""
        entry = {"words": words, "facts": dict(facts), "at": self.work.clock.now(), "stopped": stopped}
        steps = {**self.steps, step: entry}
        changes: dict[str, Any] = {"steps": steps, "step": len(steps)}
        if step == "release":
            changes["candidate"] = facts["release"]
        self._change(changes)
        self.steps = steps

    def end(self, state: State, words: str) -> None:
        """Close the retraining: another one may begin."""
        self._change({"state": state, "words": words, "open_for": None, "finished_at": self.work.clock.now()})

    def _change(self, values: Mapping[str, Any]) -> None:
        table = tables.retraining
        mine = (table.c.id == self.id, table.c.job_id == self.job_id, table.c.step == len(self.steps))
        with self.work.store.records.begin() as tx:
            if tx.execute(update(table).where(*mine).values(**values)).rowcount != 1:
                raise Conflict(f"{self.id} was continued by another job", "see `headgate retraining show`")


def _abandoned(tx: Transaction, project: str, job_id: str, now: float) -> bool:
    try:
        return jobs.abandoned(jobs.get(tx, project, job_id), now)
    except NotFound:
        return True


def _served(tx: Transaction, row: Mapping[str, Any]) -> bool:
    table = tables.environment_history
    query = select(table.c.generation).where(
        table.c.project_id == row["project_id"],
        table.c.app == row["app"],
        table.c.name == row["environment"],
        table.c.stable == row["candidate"],
    )
    return tx.one(query.limit(1)) is not None
