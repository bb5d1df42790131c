"""The audit log as people read it: listed, and proven to be whole (P15). `platform` writes it, in each change's
transaction; nothing here does."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import iso
from headgate.store import Context, audit


class AuditQuery(BaseModel):
    """Which entries to list, newest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    limit: int = Field(50, ge=1, le=1000, description="how many at most")
    before: int | None = Field(None, ge=1, description="only entries with a smaller number")


class Entry(BaseModel):
    """Who did what to what. `hash` seals the entry and everything before it."""

    model_config = ConfigDict(frozen=True)
    seq: int
    at: str
    actor: str
    action: str
    target: str
    detail: dict[str, Any]
    hash: str


class EntryList(BaseModel):
    model_config = ConfigDict(frozen=True)
    entries: list[Entry]


class AuditVerify(BaseModel):
    """Nothing to choose: the whole log is checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AuditVerified(BaseModel):
    """Whether the log is whole. When not, `problem` names the entry where it breaks. `outcome` sets the exit code."""

    model_config = ConfigDict(frozen=True)
    outcome: str
    ok: bool
    entries: int
    problem: str | None
    at_seq: int | None


def list_entries(ctx: Context, request: AuditQuery) -> EntryList:
    """List audit entries, newest first."""
    return EntryList(
        entries=[
            Entry(
                seq=row["seq"],
                at=iso(row["at"]),
                actor=row["actor"],
                action=row["action"],
                target=row["target"],
                detail=dict(row["detail"]),
                hash=row["hash"],
            )
            for row in audit.entries(ctx.tx, ctx.project, request.limit, request.before)
        ]
    )


def verify_log(ctx: Context, request: AuditVerify) -> AuditVerified:
    """Recompute the chain and check every signed checkpoint. A log that was touched is an answer, not an error."""
    found = audit.verify(ctx.tx, ctx.project, ctx.store.secret.signing_key().public_key())
    return AuditVerified(
        outcome="pass" if found.ok else "fail",
        ok=found.ok,
        entries=found.entries,
        problem=found.problem,
        at_seq=found.at_seq,
    )
