"""The job `retrain`: from people's labels to a candidate release through the gate, step by step, resumable (T5).

Called by people and by the triggers. Each step is journaled in the retraining's row when it is done; a killed job goes
on after the last one. A candidate that must not go on is no error: the retraining ends as `stopped`, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate import artifacts
from headgate.kernel import HeadgateError, InvalidInput, NotFound, nearest, server
from headgate.release import Environment, find_environment
from headgate.store import Transaction, Work, tables

from . import candidate, passage
from .candidate import Done, Run, Stop
from .retraining import STEPS, Journal, Retraining, RetrainingShow, Step, show_retraining


class Retrain(BaseModel):
    """Which model to retrain, for which environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str = Field(description="the model, as in models/router")
    environment: str = Field("prod", description="the environment that serves it, and whose rules judge the candidate")
    app: str | None = Field(None, description="the app; may be left out when only one is served there with this model")


_STEPS: Mapping[Step, Callable[[Run], Done]] = {
    "labels": candidate.take_labels,
    "data": candidate.add_data,
    "train": candidate.train,
    "contest": candidate.contend,
    "release": candidate.make_release,
    "evidence": passage.gather_evidence,
    "gate": passage.ask_gate,
    "promotion": passage.move,
    "proposal": passage.propose,
}


def retrain(work: Work, request: Retrain) -> Retraining:
    """Retrain a model from what people labelled since, and take the candidate as far as gate and approvals allow.

    Raises NotFound for an unknown environment or model, Conflict while the same retraining runs, Unavailable without
    the project's files, and what is wrong in them; then the retraining is `failed` and may be started again.
    """
    path = request.model.removesuffix(".py").strip("/")
    with work.store.records.read() as tx:
        environment = _environment(tx, work.principal.project, path, request)
    journal = Journal.open(work, environment.app, environment.name, path)
    acting = replace(work, principal=server(work.principal.project))
    try:
        _go(acting, journal, environment)
    except HeadgateError as problem:
        journal.end("failed", str(problem)[:2000])
        raise
    with work.store.records.read() as tx:
        return show_retraining(work.context(tx), RetrainingShow(retraining_id=journal.id))


def _go(work: Work, journal: Journal, environment: Environment) -> None:
    """Do the steps that are left, and close the retraining."""
    step: Step = "labels"
    try:
        run = candidate.start(work, journal, environment)
        for number, step in enumerate(STEPS):
            if step not in journal.steps:
                work.progress(f"{step} of {journal.model}", number, len(STEPS))
                words, facts = _STEPS[step](run)
                journal.write(step, words, facts)
    except Stop as stop:
        journal.write(step, stop.words, stop.facts, stopped=True)
        journal.end("stopped", stop.words)
        return
    moved = journal.steps["promotion"]
    journal.end("promoted" if moved["facts"]["moved"] else "waiting", moved["words"])


def _environment(tx: Transaction, project: str, model: str, request: Retrain) -> Environment:
    """Return the environment that is meant: of the app named, or of the only one that serves the model there."""
    if request.app:
        return find_environment(tx, project, request.app, request.environment)
    table = tables.environment
    rows = tx.all(select(table).where(table.c.project_id == project, table.c.name == request.environment))
    pinned = {row["app"]: _models(tx, project, row["stable"]) for row in rows if row["stable"]}
    found = sorted(app for app, models in pinned.items() if model in models)
    if len(found) == 1:
        return find_environment(tx, project, found[0], request.environment)
    if found:
        raise InvalidInput(
            f"several apps serve {model} in {request.environment}: {', '.join(found)}", "name one: --app"
        )
    served = sorted({name for models in pinned.values() for name in models})
    hint = nearest(model, served) or "an environment that serves a trained model is needed"
    raise NotFound(f"{request.environment} serves no model {model!r}", hint)


def _models(tx: Transaction, project: str, release: str) -> list[str]:
    pins = artifacts.get(tx, project, release).document["pins"]
    return [path for path, pin in pins.items() if pin["kind"] == "model"]
