"""Which rules bind: `environment.apply` (local), `environment.set`, `environment.approve`, `environment.show`.

Decision 14: rules bind once they are applied, and changing them needs the environment's own approvals. So the first
rules of an environment apply at once; later ones do too where no approvals are asked for; elsewhere they wait, in the
row itself, until as many other people as the rules in force ask for have agreed to that very text. Until then the old
rules judge. A candidate's branch can only ever propose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate.kernel import Conflict, Denied, InvalidInput, Workspace, nearest
from headgate.store import Context, tables

from .build import apps
from .environments import (
    Environment,
    EnvironmentRules,
    Pending,
    advance,
    create_environment,
    environment_of,
    environment_or_none,
    find_environment,
    moved,
    rules_document,
    rules_of,
)
from .project import AppName, Name, check_references, check_watch, read_project

State = Literal["applied", "pending", "unchanged"]


class EnvironmentApply(BaseModel):
    """Which environments of the project file; all of them when none is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    environment: str | None = Field(None, description="one environment; all when left out")
    app: str | None = Field(None, description="one app; all when left out")


class EnvironmentSet(BaseModel):
    """New rules of one environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: AppName
    environment: Name
    rules: EnvironmentRules
    generation: int | None = None


class EnvironmentApprove(BaseModel):
    """Which waiting rules somebody agrees to; the digest says exactly which."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str = Field(description="the app")
    environment: str = Field(description="the environment whose rules wait")
    rules_digest: str = Field(description="the digest of the waiting rules, or its beginning, from `environment show`")


class EnvironmentResult(BaseModel):
    """What became of the rules: applied, pending, or unchanged."""

    model_config = ConfigDict(frozen=True)
    app: str
    environment: str
    state: State
    rules_digest: str
    generation: int
    words: str


class ApplyResult(BaseModel):
    """What became of each environment's rules."""

    model_config = ConfigDict(frozen=True)
    environments: list[EnvironmentResult]


class EnvironmentQuery(BaseModel):
    """Which environments to show."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    environment: str | None = Field(None, description="one environment")
    app: str | None = Field(None, description="one app")
    history: int = Field(10, ge=0, le=1000, description="how many past moves of each")


class Move(BaseModel):
    """One entry of an environment's history."""

    model_config = ConfigDict(frozen=True)
    generation: int
    action: str
    stable: str | None
    person: str
    at: float
    detail: dict[str, Any]


class WaitingRules(BaseModel):
    """New rules that wait for somebody else to agree; the old ones bind until then."""

    model_config = ConfigDict(frozen=True)
    rules_digest: str
    rules: list[str]
    approvals: int
    by: str
    approved: list[str]


class EnvironmentShown(BaseModel):
    """One environment: what it serves, which rules bind, which wait, what happened."""

    model_config = ConfigDict(frozen=True)
    app: str
    environment: str
    generation: int
    stable: str | None
    previous: str | None
    started_at: float | None
    rules: list[str]
    approvals: int
    watch: list[str]
    rules_digest: str
    rules_by: str
    pending: WaitingRules | None
    history: list[Move]


class EnvironmentList(BaseModel):
    model_config = ConfigDict(frozen=True)
    environments: list[EnvironmentShown]


def apply(workspace: Workspace, request: EnvironmentApply) -> ApplyResult:
    """Apply the project file's rules to its environments, for every app. Raises InvalidInput with file and line."""
    project = read_project(workspace.root)
    check_references(workspace.root, project)
    if request.environment is not None:
        rules_of(project, request.environment)
    known = apps(workspace.root)
    if request.app is not None and request.app not in known:
        raise InvalidInput(f"there is no app {request.app!r}", nearest(request.app, known))
    done = []
    for app in [request.app] if request.app else known:
        for name in [request.environment] if request.environment else project.environments:
            wanted = EnvironmentSet(app=app, environment=name, rules=rules_of(project, name))
            answer = workspace.call("environment.set", wanted.model_dump(mode="json"))
            done.append(EnvironmentResult.model_validate(answer))
    return ApplyResult(environments=done)


def set_rules(ctx: Context, request: EnvironmentSet) -> EnvironmentResult:
    """Give an environment rules, or propose them where the rules in force ask for approvals.

    Raises InvalidInput for a rule that is not one, Conflict when the environment has moved.
    """
    compiled = request.rules.compiled()
    if request.rules.approvals and not compiled:
        raise InvalidInput("approvals need a gate", "an approval binds the evidence that a gate judged")
    for item in request.rules.watch:
        check_watch(item)
    old = environment_or_none(ctx.tx, ctx.project, request.app, request.environment)
    if old is None:
        new = create_environment(ctx, request.app, request.environment, request.rules)
        return _result(new, "applied", f"{new.name} of {new.app} exists now, with its first rules")
    if request.generation is not None and request.generation != old.generation:
        raise moved(old)
    if old.rules_digest == request.rules.digest():
        return _result(old, "unchanged", f"{old.name} of {old.app} has these rules already")
    needed = old.rules.approvals if old.rules else 0
    if not needed:
        return _apply(ctx, old, request.rules, ctx.principal.person, [])
    if old.pending and old.pending.document.digest() == request.rules.digest():
        return _waiting(old)
    pending = Pending(document=request.rules, by=ctx.principal.person, at=ctx.now)
    changes = {"rules": rules_document(old.rules, pending)}
    return _waiting(advance(ctx, old, "propose rules", changes, {"rules_digest": request.rules.digest()}))


def approve_rules(ctx: Context, request: EnvironmentApprove) -> EnvironmentResult:
    """Agree to waiting rules; the last agreement that the rules in force ask for applies them.

    Raises Denied for who proposed them and for whom no key proves, Conflict when other rules wait, or none.
    """
    old = find_environment(ctx.tx, ctx.project, request.app, request.environment)
    pending = old.pending
    if pending is None or not _names(request.rules_digest, pending.document.digest()):
        raise Conflict(f"no such rules wait for {old.name} of {old.app}", "see `headgate environment show`")
    if not ctx.principal.verified:
        raise Denied("nobody proved who approves", "approve with a person's key")
    if ctx.principal.person == pending.by:
        raise Denied(f"{pending.by} proposed these rules", "somebody else must agree to them")
    approved = tuple(sorted({*pending.approved, ctx.principal.person}))
    if len(approved) >= (old.rules.approvals if old.rules else 0):
        return _apply(ctx, old, pending.document, pending.by, list(approved))
    changes = {"rules": rules_document(old.rules, pending.model_copy(update={"approved": approved}))}
    return _waiting(advance(ctx, old, "approve rules", changes, {"rules_digest": request.rules_digest}))


def show_environments(ctx: Context, request: EnvironmentQuery) -> EnvironmentList:
    """Show environments, by app and name, with their latest moves."""
    table = tables.environment
    query = select(table).where(table.c.project_id == ctx.project).order_by(table.c.app, table.c.name)
    if request.environment:
        query = query.where(table.c.name == request.environment)
    if request.app:
        query = query.where(table.c.app == request.app)
    found = [environment_of(row) for row in ctx.tx.all(query)]
    return EnvironmentList(environments=[_shown(ctx, item, request.history) for item in found])


def _apply(ctx: Context, old: Environment, rules: EnvironmentRules, by: str, approved: list[str]) -> EnvironmentResult:
    changes = {"rules": rules_document(rules), "rules_digest": rules.digest(), "rules_by": by}
    detail = {"rules_digest": rules.digest(), "before": old.rules_digest, "by": by, "approvals": approved}
    new = advance(ctx, old, "rules", changes, detail)
    return _result(new, "applied", f"new rules bind {new.name} of {new.app}")


def watch_words(item: str | Mapping[str, Any]) -> str:
    """Say what is watched: `error_rate`, or `error_rate (at_most 2%, over 30m)`."""
    if isinstance(item, str):
        return item
    name, options = next(iter(item.items()))
    return f"{name} ({', '.join(f'{key} {value}' for key, value in (options or {}).items())})"


def _names(given: str, digest: str) -> bool:
    """Whether people mean `digest`: the whole of it, or its first eight digits or more."""
    plain = given.removeprefix("sha256:")
    return len(plain) >= 8 and digest.removeprefix("sha256:").startswith(plain)


def _waiting(environment: Environment) -> EnvironmentResult:
    pending, rules = environment.pending, environment.rules
    assert pending is not None
    left = (rules.approvals if rules else 0) - len(pending.approved)
    words = f"the new rules of {environment.name} wait for {left} approval, not by {pending.by}; the old ones bind"
    return _result(environment, "pending", words, pending.document.digest())


def _result(environment: Environment, state: State, words: str, digest: str = "") -> EnvironmentResult:
    return EnvironmentResult(
        app=environment.app,
        environment=environment.name,
        state=state,
        rules_digest=digest or environment.rules_digest,
        generation=environment.generation,
        words=words,
    )


def _shown(ctx: Context, environment: Environment, history: int) -> EnvironmentShown:
    table = tables.environment_history
    query = (
        select(table)
        .where(table.c.project_id == ctx.project, table.c.app == environment.app, table.c.name == environment.name)
        .order_by(table.c.generation.desc())
        .limit(history)
    )
    moves = [Move(**{name: row[name] for name in Move.model_fields}) for row in ctx.tx.all(query)]
    pending, rules = environment.pending, environment.rules
    waiting = None
    if pending:
        waiting = WaitingRules(
            rules_digest=pending.document.digest(),
            rules=[rule.words() for rule in pending.document.compiled()],
            approvals=pending.document.approvals,
            by=pending.by,
            approved=list(pending.approved),
        )
    return EnvironmentShown(
        app=environment.app,
        environment=environment.name,
        generation=environment.generation,
        stable=environment.stable,
        previous=environment.previous,
        started_at=environment.started_at,
        rules=[rule.words() for rule in rules.compiled()] if rules else [],
        approvals=rules.approvals if rules else 0,
        watch=[watch_words(item) for item in rules.watch] if rules else [],
        rules_digest=environment.rules_digest,
        rules_by=environment.rules_by,
        pending=waiting,
        history=moves,
    )
