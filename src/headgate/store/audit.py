"""The audit log: one SHA-256 chain per project, written in the transaction of the action it tells of (P15).

Each entry hashes the one before it, so that edit, deletion, insertion and reordering show, and signed checkpoints show
a cut or rewritten tail. No prompt text stands in it: `detail` holds ids, digests and short facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, text

from headgate.kernel import canonical

from .records import Transaction
from .schema import audit, audit_checkpoint

GENESIS = "0" * 64
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Whether a project's chain is whole; otherwise what is wrong, and at which entry."""

    ok: bool
    entries: int
    problem: str | None = None
    at_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did."""

    project: str
    at: float
    actor: str
    action: str
    target: str
    detail: Mapping[str, Any]


def append(tx: Transaction, entry: Entry) -> str:
    """Add an entry to its project's chain and return its hash. Entries of one project are serialised."""
    if tx.dialect == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7))").bindparams(name=entry.project))
    head = tx.one(
        select(audit.c.seq, audit.c.hash)
        .where(audit.c.project_id == entry.project)
        .order_by(audit.c.seq.desc())
        .limit(1)
    )
    row = {
        "project_id": entry.project,
        "seq": head["seq"] + 1 if head else 1,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target[:_LONGEST],
        "detail": _bounded(entry.detail),
        "previous": head["hash"] if head else GENESIS,
    }
    found = _hash(row)
    tx.execute(insert(audit).values(**row, hash=found))
    return found


def verify(tx: Transaction, project: str, public_key: Any = None) -> AuditReport:
    """Walk the chain from its beginning, and check it against its signed checkpoints when the key is given."""
    previous, hashes = GENESIS, dict[int, str]()
    query = select(audit).where(audit.c.project_id == project).order_by(audit.c.seq)
    with tx.connection.execute(query.execution_options(yield_per=1000)) as rows:
        for count, row in enumerate(rows.mappings(), 1):
            problem = _entry_problem(count, dict(row), previous)
            if problem:
                return AuditReport(False, count, problem, count)
            hashes[count] = previous = row["hash"]
    return _checkpoints(tx, project, hashes, public_key) or AuditReport(True, len(hashes))


def seal(tx: Transaction, project: str, signing_key: Any, at: float) -> int | None:
    """Sign the chain's head as a checkpoint and return its number; None for an empty chain or one sealed already."""
    head = tx.one(
        select(audit.c.seq, audit.c.hash).where(audit.c.project_id == project).order_by(audit.c.seq.desc()).limit(1)
    )
    last = tx.one(
        select(audit_checkpoint.c.seq)
        .where(audit_checkpoint.c.project_id == project)
        .order_by(audit_checkpoint.c.seq.desc())
        .limit(1)
    )
    if head is None or (last is not None and last["seq"] >= head["seq"]):
        return None
    signature = signing_key.sign(_sealed(project, head["seq"], head["hash"])).hex()
    tx.execute(
        insert(audit_checkpoint).values(
            project_id=project, seq=head["seq"], hash=head["hash"], signature=signature, at=at
        )
    )
    return int(head["seq"])


def entries(tx: Transaction, project: str, limit: int = 50, before: int | None = None) -> list[Mapping[str, Any]]:
    """Return entries, newest first, those before entry number `before` when it is given."""
    query = select(audit).where(audit.c.project_id == project).order_by(audit.c.seq.desc()).limit(limit)
    return tx.all(query.where(audit.c.seq < before) if before else query)


def _entry_problem(count: int, row: Mapping[str, Any], previous: str) -> str | None:
    if row["seq"] != count:
        return f"entry {count} is missing"
    if row["previous"] != previous:
        return f"entry {count} does not follow entry {count - 1}"
    return f"entry {count} was changed after it was written" if row["hash"] != _hash(row) else None


def _checkpoints(tx: Transaction, project: str, hashes: dict[int, str], public_key: Any) -> AuditReport | None:
    from cryptography.exceptions import InvalidSignature

    table = audit_checkpoint
    for row in tx.all(select(table).where(table.c.project_id == project).order_by(table.c.seq)):
        seq = row["seq"]
        if seq not in hashes:
            return AuditReport(False, len(hashes), f"the log was cut: a checkpoint signed entry {seq}", seq)
        if hashes[seq] != row["hash"]:
            return AuditReport(False, len(hashes), f"the log was rewritten before the checkpoint at entry {seq}", seq)
        if public_key is None:
            continue
        try:
            public_key.verify(bytes.fromhex(row["signature"]), _sealed(project, seq, row["hash"]))
        except (InvalidSignature, ValueError):
            return AuditReport(False, len(hashes), f"the checkpoint at entry {seq} is not signed by this key", seq)
    return None


def _sealed(project: str, seq: int, head: str) -> bytes:
    return canonical({"project": project, "seq": seq, "hash": head})


def _hash(row: Mapping[str, Any]) -> str:
    fields = ("project_id", "seq", "at", "actor", "action", "target", "detail", "previous")
    return hashlib.sha256(canonical({name: row[name] for name in fields})).hexdigest()


def _bounded(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Cut what is too long to be an id or a short fact, so that no conversation can end up here."""
    bounded: dict[str, Any] = {}
    for name, value in list(detail.items())[:40]:
        if isinstance(value, Mapping):
            bounded[str(name)] = _bounded(value)
        elif isinstance(value, list | tuple):
            bounded[str(name)] = [str(item)[:_LONGEST] for item in value[:50]]
        else:
            bounded[str(name)] = value if isinstance(value, int | float | bool | None) else str(value)[:_LONGEST]
    return bounded
