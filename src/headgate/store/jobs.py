"""Jobs: a leased table (decision 9). A job has one owner at a time, proved by a fencing token that only grows.

Enqueued in the action's transaction; claimed, kept alive and finished by workers. Handlers are idempotent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import and_, insert, or_, select, update

from headgate.kernel import NotFound

from .records import Transaction
from .schema import job


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as stored; `token` is the fencing token of its present owner."""

    id: str
    project: str
    operation: str
    arguments: dict[str, Any]
    person: str
    state: str
    attempts: int
    token: int
    owner: str | None
    lease_until: float | None
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is to be done, by which operation, in whose name."""

    id: str
    operation: str
    arguments: Mapping[str, Any]
    person: str


def owner_name() -> str:
    """Name this process so that others on the host can tell whether it lives: `host:pid:start`."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def enqueue(tx: Transaction, project: str, new: NewJob, now: float) -> None:
    """Add a job, in the transaction of the action that asks for it."""
    tx.execute(
        insert(job).values(
            id=new.id,
            project_id=project,
            operation=new.operation,
            arguments=dict(new.arguments),
            person=new.person,
            state="queued",
            attempts=0,
            token=0,
            created_at=now,
        )
    )


def claim(
    tx: Transaction, project: str | None, *, owner: str, now: float, lease_s: float, id: str | None = None
) -> JobRow | None:
    """Take the oldest job that is free: queued, or running with its lease over or its owner dead on this host."""
    query = select(job).where(job.c.state.in_(("queued", "running"))).order_by(job.c.created_at)
    if project is not None:
        query = query.where(job.c.project_id == project)
    if id is not None:
        query = query.where(job.c.id == id)
    for row in tx.all(query.limit(50).with_for_update(skip_locked=True)):
        free = row["state"] == "queued" or (row["lease_until"] or 0) <= now or _dead(row["owner"])
        if not free:
            continue
        taken = tx.execute(
            update(job)
            .where(job.c.id == row["id"], job.c.token == row["token"], job.c.state == row["state"])
            .values(
                state="running",
                owner=owner,
                token=row["token"] + 1,
                attempts=row["attempts"] + 1,
                lease_until=now + lease_s,
            )
        )
        if taken.rowcount == 1:
            return get(tx, row["project_id"], row["id"])
    return None


def heartbeat(
    tx: Transaction, id: str, token: int, *, now: float, lease_s: float, progress: Mapping[str, Any] | None = None
) -> bool:
    """Extend the lease; False says that somebody else owns the job now, and the caller must stop."""
    values: dict[str, Any] = {"lease_until": now + lease_s}
    if progress is not None:
        values["progress"] = dict(progress)
    return tx.execute(update(job).where(_mine(id, token)).values(**values)).rowcount == 1


def finish(tx: Transaction, id: str, token: int, result: Mapping[str, Any], now: float = 0.0) -> bool:
    """End a job with its result; False says that somebody else owns it now and nothing was stored."""
    values = {"state": "done", "result": dict(result), "finished_at": now, "lease_until": None}
    return tx.execute(update(job).where(_mine(id, token)).values(**values)).rowcount == 1


def fail(tx: Transaction, id: str, token: int, error: Mapping[str, Any], now: float = 0.0) -> bool:
    """End a job with its error; False says that somebody else owns it now and nothing was stored."""
    values = {"state": "failed", "error": dict(error), "finished_at": now, "lease_until": None}
    return tx.execute(update(job).where(_mine(id, token)).values(**values)).rowcount == 1


def get(tx: Transaction, project: str, id: str) -> JobRow:
    """Return a job. Raises NotFound."""
    row = tx.one(select(job).where(job.c.project_id == project, job.c.id == id))
    if row is None:
        raise NotFound(f"there is no job {id}")
    fields = {name: row[name] for name in JobRow.__slots__ if name != "project"}
    return JobRow(project=row["project_id"], **fields)


def _mine(id: str, token: int) -> Any:
    return and_(job.c.id == id, job.c.token == token, or_(job.c.state == "running", job.c.state == "queued"))


def _dead(owner: str | None) -> bool:
    """Whether an owner was a process of this host that is gone; an owner on another host is never called dead."""
    parts = (owner or "").split(":")
    if len(parts) != 3 or parts[0] != socket.gethostname() or not parts[1].isdigit():
        return False
    return _started(int(parts[1])) != parts[2]


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; '' for one that is gone (or a system without /proc)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _alive(pid)
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _alive(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"
