"""One row per (project, app, environment): what it serves, and the rules that judge what may follow.

Called by gate, approvals, promotion and the operations on rules. Every change is one compare-and-swap on the row's
generation plus one history row; nothing else writes these two tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select, update

from headgate.evaluate import insert_missing
from headgate.kernel import Conflict, InvalidInput, NotFound, canonical, digest, document_of, nearest
from headgate.store import Context, Transaction, tables

from .project import EnvironmentEntry, Project
from .rules import Rule, stored_rule


class EnvironmentRules(EnvironmentEntry):
    """What binds: an entry of the project file together with the rules of the gate that it names."""

    rules: tuple[dict[str, Any], ...] = ()

    def compiled(self) -> tuple[Rule, ...]:
        return tuple(stored_rule(rule) for rule in self.rules)

    def digest(self) -> str:
        return digest("gate", 1, canonical(document_of(self)))


class Pending(BaseModel):
    """Changed rules that wait for the approvals which the rules in force ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    document: EnvironmentRules
    by: str
    at: float
    approved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment as stored, rules compiled. `rules` None: nothing was applied to it yet."""

    app: str
    name: str
    generation: int
    stable: str | None
    previous: str | None
    started_at: float | None
    rules: EnvironmentRules | None
    rules_digest: str
    rules_by: str
    pending: Pending | None


def rules_of(project: Project, name: str) -> EnvironmentRules:
    """Return what the project file asks of an environment. Raises InvalidInput with the nearest name."""
    entry = project.environments.get(name)
    if entry is None:
        where = project.source.where(("environments",))
        raise InvalidInput(f"there is no environment {name!r}", nearest(name, project.environments), where=where)
    rules = project.gates[entry.gate] if entry.gate else ()
    return EnvironmentRules(**entry.model_dump(), rules=tuple(document_of(rule) for rule in rules))


def find_environment(tx: Transaction, project: str, app: str, name: str) -> Environment:
    """Return an environment of an app. Raises NotFound with the nearest name."""
    found = environment_or_none(tx, project, app, name)
    if found is None:
        table = tables.environment
        rows = tx.all(select(table.c.name).where(table.c.project_id == project, table.c.app == app))
        hint = nearest(name, [row["name"] for row in rows]) or f"apply it: headgate environment apply {name}"
        raise NotFound(f"{app} has no environment {name!r}", hint)
    return found


def environment_or_none(tx: Transaction, project: str, app: str, name: str) -> Environment | None:
    table = tables.environment
    row = tx.one(select(table).where(table.c.project_id == project, table.c.app == app, table.c.name == name))
    return environment_of(row) if row is not None else None


def environment_of(row: Mapping[str, Any]) -> Environment:
    """Compile a stored row."""
    document = dict(row["rules"] or {})
    pending = document.pop("pending", None)
    applied = bool(row["rules_digest"])
    return Environment(
        app=row["app"],
        name=row["name"],
        generation=row["generation"],
        stable=row["stable"],
        previous=row["previous"],
        started_at=row["started_at"],
        rules=EnvironmentRules.model_validate(document) if applied else None,
        rules_digest=row["rules_digest"] or "",
        rules_by=row["rules_by"] or "",
        pending=Pending.model_validate(pending) if pending else None,
    )


def rules_document(rules: EnvironmentRules | None, pending: Pending | None = None) -> dict[str, Any]:
    """Return the JSON that the row's `rules` column holds."""
    document = document_of(rules) if rules else {}
    return {**document, "pending": document_of(pending)} if pending else document


def create_environment(ctx: Context, app: str, name: str, rules: EnvironmentRules) -> Environment:
    """Make the row of an environment with its first rules. Raises Conflict when somebody else just did."""
    row = {
        "project_id": ctx.project,
        "app": app,
        "name": name,
        "generation": 1,
        "stable": None,
        "previous": None,
        "started_at": None,
        "rules": rules_document(rules),
        "rules_digest": rules.digest(),
        "rules_by": ctx.principal.person,
    }
    insert_missing(ctx.tx, tables.environment, [row])
    made = environment_of(row)
    if environment_or_none(ctx.tx, ctx.project, app, name) != made:
        raise moved(made)
    _remember(ctx, made, "rules", {"rules_digest": made.rules_digest})
    return made


def advance(
    ctx: Context, old: Environment, action: str, changes: Mapping[str, Any], detail: Mapping[str, Any]
) -> Environment:
    """Change an environment if it is still what the caller saw, and remember it.

    Raises Conflict when its generation moved meanwhile: of two who race, one wins and the other learns it here.
    """
    table = tables.environment
    here = (table.c.project_id == ctx.project, table.c.app == old.app, table.c.name == old.name)
    statement = (
        update(table)
        .where(*here, table.c.generation == old.generation)
        .values(generation=old.generation + 1, **changes)
    )
    if ctx.tx.execute(statement).rowcount != 1:
        raise moved(old)
    row = ctx.tx.one(select(table).where(*here))
    assert row is not None
    new = environment_of(row)
    _remember(ctx, new, action, detail)
    return new


def moved(old: Environment) -> Conflict:
    """The error for whoever comes second."""
    return Conflict(
        f"{old.name} of {old.app} was changed by somebody else meanwhile",
        "look at `headgate environment show` and decide again",
    )


def _remember(ctx: Context, new: Environment, action: str, detail: Mapping[str, Any]) -> None:
    row = {
        "project_id": ctx.project,
        "app": new.app,
        "name": new.name,
        "generation": new.generation,
        "stable": new.stable,
        "action": action,
        "person": ctx.principal.person,
        "at": ctx.now,
        "detail": dict(detail),
    }
    ctx.tx.execute(tables.environment_history.insert().values(**row))
