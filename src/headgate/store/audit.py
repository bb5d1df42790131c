"""The audit log: one SHA-256 chain per project, written in the transaction of the action it tells of (P15).

Each entry hashes the one before it, so that edit, deletion, insertion and reordering show, and signed checkpoints show
a cut or rewritten tail. No prompt text stands in it: `detail` holds ids, digests and short facts.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from sqlalchemy import insert, select, text

from headgate.kernel import canonical

from .records import Transaction
from .schema import audit, audit_checkpoint

GENESIS = "0" * 64
_LONGEST, _MOST_ITEMS, _MOST_KEYS = 200, 50, 40


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Whether a project's chain is whole; otherwise what is wrong, and at which entry."""

    ok: bool
    entries: int
    problem: str | None = None
    at_seq: int | None = None


class Entry(TypedDict):
    """One thing that somebody did: `actor` did `action` to `target` at `at` (epoch seconds)."""

    project: str
    at: float
    actor: str
    action: str
    target: str
    detail: Mapping[str, Any]


def append(tx: Transaction, **entry: Unpack[Entry]) -> str:
    """Add an entry to its project's chain and return its hash. Entries of one project are serialised.

    `detail` is cut to ids and short facts: texts to 200 characters, lists to 50 items, 40 keys, two levels.
    """
    project = entry["project"]
    _alone(tx, project)
    head = _head(tx, project)
    row = {
        "project_id": project,
        "seq": head["seq"] + 1 if head else 1,
        "at": float(entry["at"]),
        "actor": _short(entry["actor"]),
        "action": _short(entry["action"]),
        "target": _short(entry["target"]),
        "detail": _bounded(entry["detail"]),
        "previous": head["hash"] if head else GENESIS,
    }
    found = _hash(row)
    tx.execute(insert(audit).values(**row, hash=found))
    return found


def verify(tx: Transaction, project: str, public_key: Any = None) -> AuditReport:
    """Walk the chain from its beginning and check it against its checkpoints.

    public_key: the Ed25519 key that checkpoints must be signed with; without it their signatures are not checked, and
    somebody who can write the database could have replaced them. What nobody sealed yet can be cut off unseen.
    """
    sealed = _checkpoints(tx, project)
    problem = _signatures(sealed, project, public_key)
    if problem:
        return problem
    previous, count = GENESIS, 0
    query = select(audit).where(audit.c.project_id == project).order_by(audit.c.seq)
    with tx.connection.execute(query.execution_options(yield_per=1000)) as rows:
        for found in rows.mappings():
            row = dict(found)
            count += 1
            problem = _broken(tx, row, count, previous) or _rewritten(row, sealed)
            if problem:
                return problem
            previous = row["hash"]
    cut = [seq for seq in sealed if seq > count]
    if cut:
        return _wrong(count, count + 1, f"entries {count + 1} to {max(cut)} were deleted: a checkpoint saw them")
    return AuditReport(True, count)


def seal(tx: Transaction, project: str, signing_key: Any) -> int | None:
    """Sign the chain's head as a checkpoint and return its number; None for an empty chain or one sealed already."""
    _alone(tx, project)
    head = _head(tx, project)
    if head is None or head["seq"] in _checkpoints(tx, project):
        return None
    signature = signing_key.sign(_sealed(project, head["seq"], head["hash"])).hex()
    tx.execute(
        insert(audit_checkpoint).values(
            project_id=project, seq=head["seq"], hash=head["hash"], signature=signature, at=head["at"]
        )
    )
    return int(head["seq"])


def _alone(tx: Transaction, project: str) -> None:
    """Wait for whoever writes this chain, on any server; SQLite has one writer at a time anyway."""
    if tx.dialect == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7))").bindparams(name=project))


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


def _head(tx: Transaction, project: str) -> Mapping[str, Any] | None:
    return tx.one(select(audit).where(audit.c.project_id == project).order_by(audit.c.seq.desc()).limit(1))


def _checkpoints(tx: Transaction, project: str) -> dict[int, Mapping[str, Any]]:
    table = audit_checkpoint
    found = tx.all(select(table).where(table.c.project_id == project).order_by(table.c.seq))
    return {row["seq"]: row for row in found}


def _wrong(count: int, seq: int, problem: str) -> AuditReport:
    return AuditReport(False, count, problem, seq)


def _broken(tx: Transaction, row: Mapping[str, Any], expected: int, previous: str) -> AuditReport | None:
    """Say what is wrong with an entry where entry number `expected` must stand, after the one hashed `previous`."""
    seq = row["seq"]
    if seq != expected:
        return _wrong(expected - 1, expected, f"entry {expected} was deleted")
    if row["hash"] != _hash(row):
        return _wrong(seq, seq, f"entry {seq} was changed, inserted or moved after it was written")
    if row["previous"] == previous:
        return None
    same = (audit.c.project_id == row["project_id"], audit.c.hash == row["previous"], audit.c.seq < seq)
    branch = tx.one(select(audit.c.seq).where(*same))
    if branch is not None or row["previous"] == GENESIS:
        after = f"after entry {branch['seq']}" if branch else "at the beginning"
        return _wrong(seq, seq, f"entry {seq} forks the log {after}")
    return _wrong(seq, seq - 1, f"entry {seq - 1} was replaced: entry {seq} followed another one")


def _rewritten(row: Mapping[str, Any], sealed: Mapping[int, Mapping[str, Any]]) -> AuditReport | None:
    seq = row["seq"]
    if seq not in sealed or sealed[seq]["hash"] == row["hash"]:
        return None
    last = max((earlier for earlier in sealed if earlier < seq), default=0)
    return _wrong(
        seq, last + 1, f"an entry from {last + 1} to {seq} was rewritten: a checkpoint saw another entry {seq}"
    )


def _signatures(sealed: Mapping[int, Mapping[str, Any]], project: str, public_key: Any) -> AuditReport | None:
    if public_key is None:
        return None
    from cryptography.exceptions import InvalidSignature

    for seq, row in sealed.items():
        try:
            public_key.verify(bytes.fromhex(row["signature"]), _sealed(project, seq, row["hash"]))
        except (InvalidSignature, ValueError):
            return _wrong(0, seq, f"the checkpoint at entry {seq} is not signed by this installation")
    return None


def _sealed(project: str, seq: int, head: str) -> bytes:
    return canonical({"project": project, "seq": seq, "hash": head})


def _hash(row: Mapping[str, Any]) -> str:
    fields = ("project_id", "seq", "at", "actor", "action", "target", "detail", "previous")
    return hashlib.sha256(canonical({name: row[name] for name in fields})).hexdigest()


def _short(text: str) -> str:
    """Cut a text to what an id or a short fact needs, of characters that both databases can hold."""
    return text[:_LONGEST].encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _bounded(detail: Mapping[str, Any], depth: int = 2) -> dict[str, Any]:
    """Cut what is too long to be an id or a short fact, so that no conversation can end up here."""
    return {_short(str(name)): _fact(value, depth) for name, value in list(detail.items())[:_MOST_KEYS]}


def _fact(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping) and depth > 1:
        return _bounded(value, depth - 1)
    if isinstance(value, list | tuple) and depth > 0:
        return [_fact(item, 0) for item in value[:_MOST_ITEMS]]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return _short(str(value))
