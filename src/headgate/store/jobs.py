"""Jobs: a leased table (decision 9). A job has one owner at a time, proved by a fencing token that only grows.

Enqueued in the action's transaction; claimed, kept alive and finished by workers. Handlers are idempotent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, and_, insert, or_, select, update

from headgate.kernel import NotFound

from .process import is_dead, owner_name, this_host
from .records import Transaction
from .schema import job

__all__ = [
    "JobRow", "NewJob", "abandoned", "claim", "enqueue", "fail", "finish", "get", "give_back", "heartbeat",
    "owner_name",
]  # fmt: skip


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


class NewJob(TypedDict):
    """What is to be done, by which operation, in whose name, asked for at `now`."""

    id: str
    operation: str
    arguments: Mapping[str, Any]
    person: str
    now: float


def enqueue(tx: Transaction, project: str, **new: Unpack[NewJob]) -> None:
    """Add a job, in the transaction of the action that asks for it."""
    tx.execute(
        insert(job).values(
            id=new["id"],
            project_id=project,
            operation=new["operation"],
            arguments=dict(new["arguments"]),
            person=new["person"],
            state="queued",
            attempts=0,
            token=0,
            created_at=new["now"],
        )
    )


def claim(
    tx: Transaction, project: str | None, *, owner: str, now: float, lease_s: float, id: str | None = None
) -> JobRow | None:
    """Take a job that is free, or the one called `id` if it is free; None when there is none.

    Free is a running job whose owner is a dead process of this host (taken first), a queued one, and a running one
    whose lease has ended (oldest first). project: None takes from every project. lease_s: seconds.
    """
    wanted = [job.c.project_id == project] if project is not None else []
    if id is not None:
        wanted.append(job.c.id == id)
    values = {"state": "running", "owner": owner, "lease_until": now + lease_s}
    for row in (*_orphans(tx, wanted), *_free(tx, wanted, now)):
        taken = tx.execute(
            update(job)
            .where(job.c.id == row["id"], job.c.token == row["token"], job.c.state == row["state"])
            .values(token=row["token"] + 1, attempts=row["attempts"] + 1, **values)
        )
        if taken.rowcount == 1:
            return get(tx, row["project_id"], row["id"])
    return None


def abandoned(row: JobRow, now: float) -> bool:
    """Tell whether nobody works on a job, now or later: it ended, or its lease ended, or its owner is dead."""
    if row.state != "running":
        return row.state != "queued"
    return (row.lease_until or 0) <= now or is_dead(row.owner)


def _orphans(tx: Transaction, wanted: Sequence[ColumnElement[bool]]) -> list[Mapping[str, Any]]:
    """Return running jobs whose owner was a process of this host and is gone."""
    here = job.c.owner.startswith(f"{this_host()}:", autoescape=True)
    running = tx.all(select(job).where(job.c.state == "running", here, *wanted).order_by(job.c.created_at))
    return [row for row in running if is_dead(row["owner"])]


def _free(tx: Transaction, wanted: Sequence[ColumnElement[bool]], now: float) -> list[Mapping[str, Any]]:
    """Return the oldest job that anybody may take, locked so that claimers do not all reach for the same one."""
    free = or_(job.c.state == "queued", and_(job.c.state == "running", job.c.lease_until <= now))
    oldest = select(job).where(free, *wanted).order_by(job.c.created_at, job.c.id).limit(1)
    return tx.all(oldest.with_for_update(skip_locked=True))


def heartbeat(
    tx: Transaction, id: str, token: int, *, now: float, lease_s: float, progress: Mapping[str, Any] | None = None
) -> bool:
    """Extend the lease; False says that somebody else owns the job now, and the caller must stop."""
    values: dict[str, Any] = {"lease_until": now + lease_s}
    if progress is not None:
        values["progress"] = dict(progress)
    return tx.execute(update(job).where(_mine(id, token)).values(**values)).rowcount == 1


def finish(tx: Transaction, id: str, token: int, result: Mapping[str, Any], now: float | None = None) -> bool:
    """End a job with its result; False says that somebody else owns it now and nothing was stored."""
    values = {"state": "done", "result": dict(result), "finished_at": now, "lease_until": None}
    return tx.execute(update(job).where(_mine(id, token)).values(**values)).rowcount == 1


def fail(tx: Transaction, id: str, token: int, error: Mapping[str, Any], now: float | None = None) -> bool:
    """End a job with its error; False says that somebody else owns it now and nothing was stored."""
    values = {"state": "failed", "error": dict(error), "finished_at": now, "lease_until": None}
    return tx.execute(update(job).where(_mine(id, token)).values(**values)).rowcount == 1


def give_back(tx: Transaction, id: str, token: int, now: float) -> bool:
    """End the lease of a job that its owner has stopped working on, so that anybody may take it at once.

    False says that somebody else owns it already.
    """
    return tx.execute(update(job).where(_mine(id, token)).values(lease_until=now)).rowcount == 1


def get(tx: Transaction, project: str, id: str) -> JobRow:
    """Return a job. Raises NotFound."""
    row = tx.one(select(job).where(job.c.project_id == project, job.c.id == id))
    if row is None:
        raise NotFound(f"there is no job {id}")
    fields = {name: row[name] for name in JobRow.__slots__ if name != "project"}
    return JobRow(project=row["project_id"], **fields)


def _mine(id: str, token: int) -> ColumnElement[bool]:
    return and_(job.c.id == id, job.c.token == token, job.c.state == "running")
