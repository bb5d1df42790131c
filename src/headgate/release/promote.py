"""Promotion and rollback: the pointer of an environment moves, by compare-and-swap, or it does not.

Operations `release.promote` and `release.rollback`. Promotion judges again inside its own transaction; rollback needs
no evaluator, no provider and no evidence, because it only goes where the environment has been.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate.evaluate import find_release
from headgate.kernel import Conflict, InvalidInput, NotFound, short
from headgate.store import Context, tables

from .approvals import counting
from .environments import Environment, advance, find_environment, moved
from .gate import GateResult, look
from .judging import Outcome


class Promote(BaseModel):
    """Which release goes where. `generation` is what the caller saw; when it has moved on, nothing happens."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    release: str = Field(description="the release: digest, its beginning, or an environment to take it from")
    environment: str = Field(description="where it goes")
    generation: int | None = Field(None, description="only if the environment still has this generation")


class PromoteResult(BaseModel):
    """What happened. A gate that does not pass is an answer: then `moved` is false and `gate` says why."""

    model_config = ConfigDict(frozen=True)
    outcome: Outcome
    moved: bool
    release: str
    app: str
    environment: str
    generation: int
    previous: str
    approvals: list[str] = []
    words: str
    gate: GateResult | None = None


class Rollback(BaseModel):
    """Which environment goes back, and how far."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    environment: str = Field(description="the environment that goes back")
    app: str | None = Field(None, description="the app; may be left out when only one has this environment")
    to: str | None = Field(None, description="a release that this environment has served; otherwise the one before")
    generation: int | None = Field(None, description="only if the environment still has this generation")
    reason: str = Field("", max_length=500, description="why")


def promote(ctx: Context, request: Promote) -> PromoteResult:
    """Make an environment serve a release, if its gate passes and the approvals it asks for are there.

    A `review` moves only when at least one counting approval was given on this very evidence. Raises Conflict for
    whoever comes second, NotFound for unknown names.
    """
    release = find_release(ctx.tx, ctx.project, request.release)
    old = find_environment(ctx.tx, ctx.project, release["app"], request.environment)
    _expect(old, request.generation)
    if old.stable == release["digest"]:
        return _stayed(old, release, "pass", f"{old.name} serves {short(release['digest'])} already", None)
    judged = look(ctx, release, old)
    approvals = counting(ctx.tx, ctx.project, release, judged)
    stop = _stop(old, judged, approvals)
    if stop is not None:
        outcome: Outcome = "fail" if judged.outcome == "fail" else "review"
        return _stayed(old, release, outcome, stop, judged)
    changes = {"stable": release["digest"], "previous": old.stable, "started_at": ctx.now}
    detail = {
        "from": old.stable or "",
        "gate": judged.outcome,
        "evidence": judged.evidence_digest,
        "rules": judged.rules_digest,
        "approvals": approvals,
    }
    new = advance(ctx, old, "promote", changes, detail)
    words = f"{new.name} of {new.app} serves {short(release['digest'])}"
    return PromoteResult(
        outcome="pass",
        moved=True,
        release=release["digest"],
        app=new.app,
        environment=new.name,
        generation=new.generation,
        previous=old.stable or "",
        approvals=approvals,
        words=words,
        gate=judged,
    )


def rollback(ctx: Context, request: Rollback) -> PromoteResult:
    """Make an environment serve again what it served before, at once.

    Raises Conflict when there is nothing to go back to or somebody else moved it, NotFound for a release that the
    environment never served.
    """
    old = _only_environment(ctx, request)
    _expect(old, request.generation)
    target = _earlier(ctx, old, request.to)
    changes = {"stable": target, "previous": old.stable, "started_at": ctx.now}
    detail = {"from": old.stable or "", "reason": request.reason}
    new = advance(ctx, old, "rollback", changes, detail)
    return PromoteResult(
        outcome="pass",
        moved=True,
        release=target,
        app=new.app,
        environment=new.name,
        generation=new.generation,
        previous=old.stable or "",
        words=f"{new.name} of {new.app} serves {short(target)} again",
    )


def _stop(environment: Environment, judged: GateResult, approvals: list[str]) -> str | None:
    """Say why a release may not move, or None when it may."""
    rules = environment.rules
    needed = rules.approvals if rules else 0
    where = f"{short(judged.release)} {environment.name}"
    if judged.outcome == "fail" or (judged.outcome == "review" and not judged.decidable):
        stopped = [rule.rule for rule in judged.rules if rule.outcome == judged.outcome]
        return f"the gate says {judged.outcome}: {'; '.join(stopped)}"
    if judged.outcome == "review":
        needed = max(needed, 1)
    if len(approvals) < needed:
        said = "the gate asks for people's judgement" if judged.outcome == "review" else "the gate passes"
        return f"{said}; {needed - len(approvals)} more approval needed: headgate release approve {where}"
    return None


def _stayed(
    old: Environment, release: Mapping[str, Any], outcome: Outcome, words: str, judged: GateResult | None
) -> PromoteResult:
    return PromoteResult(
        outcome=outcome,
        moved=False,
        release=release["digest"],
        app=old.app,
        environment=old.name,
        generation=old.generation,
        previous=old.previous or "",
        words=words,
        gate=judged,
    )


def _expect(old: Environment, generation: int | None) -> None:
    if generation is not None and generation != old.generation:
        raise moved(old)


def _only_environment(ctx: Context, request: Rollback) -> Environment:
    app, _, name = request.environment.rpartition("@")
    app = request.app or app
    if app:
        return find_environment(ctx.tx, ctx.project, app, name)
    table = tables.environment
    rows = ctx.tx.all(select(table.c.app).where(table.c.project_id == ctx.project, table.c.name == name))
    if len(rows) > 1:
        known = ", ".join(sorted(row["app"] for row in rows))
        raise InvalidInput(f"several apps have an environment {name!r}: {known}", "say which with --app")
    return find_environment(ctx.tx, ctx.project, rows[0]["app"] if rows else "", name)


def _earlier(ctx: Context, old: Environment, to: str | None) -> str:
    if to is None:
        if not old.previous:
            raise Conflict(f"{old.name} of {old.app} served nothing before", "promote a release instead")
        return old.previous
    target = str(find_release(ctx.tx, ctx.project, to, old.app)["digest"])
    if target == old.stable:
        raise Conflict(f"{old.name} of {old.app} serves {short(target)} already")
    table = tables.environment_history
    served = ctx.tx.one(
        select(table.c.stable).where(
            table.c.project_id == ctx.project,
            table.c.app == old.app,
            table.c.name == old.name,
            table.c.stable == target,
        )
    )
    if served is None:
        hint = "a release that it never served is promoted: headgate release promote"
        raise NotFound(f"{old.name} of {old.app} never served {short(target)}", hint)
    return target
