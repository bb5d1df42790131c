"""Approvals: who may say yes, to what exactly, and which of them count. Operation `release.approve`.

Called by people and by promotion. An approval binds release, evidence, rules and baseline (decision 13): when any of
them changes it stays in the records and counts no more. Nobody approves what they had a part in; separation is by
person, so a second key changes nothing. What an unverified principal approves is recorded and does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate.evaluate import find_release, insert_missing
from headgate.kernel import Conflict, Denied, new_id, short
from headgate.store import Context, Transaction, tables

from .build import Manifest, Pin
from .environments import find_environment, moved
from .gate import GateResult, look
from .judging import Outcome
from .registry import registrants


class Approve(BaseModel):
    """Which release, for which environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    release: str = Field(description="the candidate: digest, its beginning, or an environment")
    environment: str = Field(description="where it may go")
    note: str = Field("", max_length=2000, description="why")
    generation: int | None = Field(None, description="only if the environment still has this generation")
    evidence: str | None = Field(None, description="only if this evidence (ev_…) still judges it")


class ApprovalQuery(BaseModel):
    """Which release, for which environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    release: str = Field(description="the candidate: digest, its beginning, or an environment")
    environment: str = Field(description="where it may go")


class Given(BaseModel):
    """One approval that somebody gave; `why` says why it does not count (any more)."""

    model_config = ConfigDict(frozen=True)
    person: str
    at: float
    note: str
    counts: bool
    why: str = ""


class ApprovalList(BaseModel):
    """Who approved, how many must, who is an author of what, and whether the one who asks may approve.

    `needed` is what would let the release move now: a gate that says `review` needs one at least. `why_not` is empty
    when the asker may approve; permissions of roles are not looked at here.
    """

    model_config = ConfigDict(frozen=True)
    release: str
    app: str
    environment: str
    outcome: Outcome
    needed: int
    counting: list[str]
    given: list[Given]
    authors: dict[str, list[str]]
    why_not: str = ""


class Approval(BaseModel):
    """A recorded approval. `counts` says whether it helps the release on, `why` explains when it does not."""

    model_config = ConfigDict(frozen=True)
    id: str
    release: str
    app: str
    environment: str
    person: str
    counts: bool
    why: str = ""
    new: bool
    evidence_digest: str
    rules_digest: str
    baseline: str
    approvals: list[str]
    needed: int


def approve(ctx: Context, request: Approve) -> Approval:
    """Approve a release for an environment, as its gate sees it now; saying it twice changes nothing.

    Raises Denied when the person is one of its authors, Conflict when there is nothing to approve (the gate fails,
    or evidence is missing) and when what the caller looked at has changed since.
    """
    release = find_release(ctx.tx, ctx.project, request.release)
    environment = find_environment(ctx.tx, ctx.project, release["app"], request.environment)
    judged = look(ctx, release, environment)
    if request.generation not in (None, environment.generation) or request.evidence not in (None, judged.evidence):
        raise moved(environment)
    _check_person(ctx, release, judged)
    if not judged.decidable:
        reason = next(
            (f"{rule.rule}: {rule.explanation}" for rule in judged.rules if rule.outcome != "pass"), "no gate"
        )
        hint = next((rule.hint for rule in judged.rules if rule.hint), "see `headgate release gate`")
        raise Conflict(f"there is nothing to approve: {reason}", hint)
    new, row = _record(ctx, judged, request.note)
    counted = counting(ctx.tx, ctx.project, release, judged)
    counts = row["person"] in counted
    return Approval(
        id=row["id"],
        release=judged.release,
        app=judged.app,
        environment=judged.environment,
        person=row["person"],
        counts=counts,
        why="" if counts else "nobody proved who made it: approve with a person's key",
        new=new,
        evidence_digest=judged.evidence_digest,
        rules_digest=judged.rules_digest,
        baseline=judged.baseline,
        approvals=counted,
        needed=environment.rules.approvals if environment.rules else 0,
    )


def list_approvals(ctx: Context, request: ApprovalQuery) -> ApprovalList:
    """Tell where a release stands with its approvals for an environment, as its gate sees it now."""
    release = find_release(ctx.tx, ctx.project, request.release)
    environment = find_environment(ctx.tx, ctx.project, release["app"], request.environment)
    judged = look(ctx, release, environment)
    barred = authors(ctx.tx, ctx.project, release, judged.baseline)
    asked = environment.rules.approvals if environment.rules else 0
    table = tables.approval
    rows = ctx.tx.all(
        select(table)
        .where(table.c.project_id == ctx.project, table.c.release == judged.release)
        .where(table.c.app == judged.app, table.c.environment == judged.environment)
        .order_by(table.c.at)
    )
    given = [_given(row, judged, barred) for row in rows]
    return ApprovalList(
        release=judged.release,
        app=judged.app,
        environment=judged.environment,
        outcome=judged.outcome,
        needed=max(asked, 1) if judged.outcome == "review" else asked,
        counting=sorted({item.person for item in given if item.counts}),
        given=given,
        authors=barred,
        why_not=_why_not(ctx, judged, barred),
    )


def _given(row: Mapping[str, Any], judged: GateResult, barred: Mapping[str, list[str]]) -> Given:
    bound = (
        ("evidence_digest", judged.evidence_digest, "newer evidence judges it now"),
        ("rules_digest", judged.rules_digest, "the rules have changed since"),
        ("baseline", judged.baseline, "the environment served another release then"),
    )
    reasons = [why for name, now, why in bound if row[name] != now]
    if not row["verified"]:
        reasons.insert(0, "nobody proved who made it")
    if row["person"] in barred:
        reasons.insert(0, "an author's approval does not count")
    return Given(person=row["person"], at=row["at"], note=row["note"], counts=not reasons, why="; ".join(reasons))


def _why_not(ctx: Context, judged: GateResult, barred: Mapping[str, list[str]]) -> str:
    person, parts = ctx.principal.person, barred.get(ctx.principal.person, [])
    if judged.baseline == judged.release:
        return f"{judged.environment} serves this release already"
    if parts:
        return f"{person} is an author of it ({', '.join(parts[:3])}): somebody else approves"
    if judged.outcome == "fail":
        return "the gate fails, and no approval can change that"
    return "" if judged.decidable else "there is nothing to approve yet: rules have no evidence to look at"


def authors(tx: Transaction, project: str, release: Mapping[str, Any], baseline: str) -> dict[str, list[str]]:
    """Return the authors of a release relative to what is served, each with the paths that make them one.

    An author registered an artifact version that is new since `baseline`, or created the release.
    """
    pins = Manifest.model_validate(release["manifest"]).pins
    served = _pins(tx, project, baseline)
    changed = {path: pin for path, pin in pins.items() if served.get(path) != pin}
    found: dict[str, list[str]] = {str(release["created_by"]): ["the release"]}
    for path, person in registrants(tx, project, changed).items():
        found.setdefault(person, []).append(path)
    return found


def counting(tx: Transaction, project: str, release: Mapping[str, Any], judged: GateResult) -> list[str]:
    """Return the people whose approvals count now: verified, bound to exactly this, and none of the authors."""
    barred = authors(tx, project, release, judged.baseline)
    people = {row["person"] for row in tx.all(_bound(project, judged)) if row["verified"]}
    return sorted(people - barred.keys())


def _check_person(ctx: Context, release: Mapping[str, Any], judged: GateResult) -> None:
    parts = authors(ctx.tx, ctx.project, release, judged.baseline).get(ctx.principal.person)
    if parts and ctx.principal.verified:
        raise Denied(
            f"{ctx.principal.person} is an author of {short(judged.release)} ({', '.join(parts[:3])})",
            "somebody else must approve it; another key of the same person does not help",
            code="author_cannot_approve",
        )


def _record(ctx: Context, judged: GateResult, note: str) -> tuple[bool, Mapping[str, Any]]:
    table, person = tables.approval, ctx.principal.person
    mine = _bound(ctx.project, judged).where(table.c.person == person)
    known = ctx.tx.one(mine)
    if known is not None and (known["verified"] or not ctx.principal.verified):
        return False, known
    values = {
        "project_id": ctx.project,
        "id": new_id("apr"),
        "release": judged.release,
        "app": judged.app,
        "environment": judged.environment,
        "evidence_digest": judged.evidence_digest,
        "rules_digest": judged.rules_digest,
        "baseline": judged.baseline,
        "person": person,
        "verified": ctx.principal.verified,
        "at": ctx.now,
        "note": note,
    }
    if known is not None:
        ctx.tx.execute(table.update().where(table.c.id == known["id"]).values(verified=True, at=ctx.now, note=note))
        return True, {**known, "verified": True}
    insert_missing(ctx.tx, table, [values])
    stored = ctx.tx.one(mine) or values
    return stored["id"] == values["id"], stored


def _bound(project: str, judged: GateResult) -> Any:
    table = tables.approval
    return select(table).where(
        table.c.project_id == project,
        table.c.release == judged.release,
        table.c.app == judged.app,
        table.c.environment == judged.environment,
        table.c.evidence_digest == judged.evidence_digest,
        table.c.rules_digest == judged.rules_digest,
        table.c.baseline == judged.baseline,
    )


def _pins(tx: Transaction, project: str, digest: str) -> dict[str, Pin]:
    if not digest:
        return {}
    table = tables.release
    row = tx.one(select(table.c.manifest).where(table.c.project_id == project, table.c.digest == digest))
    return Manifest.model_validate(row["manifest"]).pins if row else {}
