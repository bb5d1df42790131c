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
from .environments import find_environment
from .gate import GateResult, look
from .registry import registrants


class Approve(BaseModel):
    """Which release, for which environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    release: str = Field(description="the candidate: digest, its beginning, or an environment")
    environment: str = Field(description="where it may go")
    note: str = Field("", max_length=2000, description="why")


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
    or evidence is missing).
    """
    release = find_release(ctx.tx, ctx.project, request.release)
    environment = find_environment(ctx.tx, ctx.project, release["app"], request.environment)
    judged = look(ctx.tx, ctx.project, release, environment, ctx.now)
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
