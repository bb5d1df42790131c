"""Evidence in the records: opened, resumed, filled case by case, closed with its digest.

Called by the runner and by readers (show, compare, the gate). Each function works inside a transaction it is given
and decides nothing about verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from headgate.kernel import NotFound, new_id
from headgate.store import Transaction, jobs, tables

RESUME_WITHIN_S = 24 * 3600
"""A killed run older than this is not continued: its observations would be of another day."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One judged case as stored. `latency_us` and `cost_nano` count only when `reused` is 0."""

    suite: str
    scenario: str
    repeat: int
    verdict: str
    scores: Sequence[Mapping[str, Any]]
    answer: Mapping[str, Any]
    trace_id: str
    cost_nano: int
    latency_us: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.suite, self.scenario, self.repeat

    @property
    def reused(self) -> int:
        return int(self.answer.get("reused", 0))


@dataclass(frozen=True, slots=True)
class Evidence:
    """One evidence as stored; `digest` is None until it is done."""

    id: str
    release: str
    app: str
    digest: str | None
    pins: Mapping[str, Any]
    state: str
    started_at: float
    finished_at: float | None
    summary: Mapping[str, Any]
    job_id: str
    created_by: str


def insert_missing(tx: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, leaving those whose key exists as they are (both databases write it alike)."""
    statement: Any = (sqlite if tx.dialect == "sqlite" else postgresql).insert(table)
    for row in rows:
        tx.execute(statement.values(**row).on_conflict_do_nothing())


def open_evidence(tx: Transaction, project: str, row: Mapping[str, Any], now: float) -> tuple[Evidence, bool]:
    """Continue the killed run that has the same release and pins, or open a new one. Returns (evidence, resumed).

    `row` gives release, app, pins, job_id and created_by.
    """
    table = tables.evidence
    unfinished = select(table).where(
        table.c.project_id == project,
        table.c.release == row["release"],
        table.c.state.in_(("running", "failed")),
        table.c.started_at > now - RESUME_WITHIN_S,
    )
    for found in tx.all(unfinished.order_by(table.c.started_at.desc())):
        if found["pins"] == row["pins"] and _abandoned(tx, project, found, row["job_id"], now):
            values = {"job_id": row["job_id"], "state": "running"}
            taken = tx.execute(
                update(table).where(table.c.id == found["id"], table.c.job_id == found["job_id"]).values(**values)
            )
            if taken.rowcount:
                return _evidence({**found, **values}), True
    fresh = {
        **row,
        "project_id": project,
        "id": new_id("ev"),
        "digest": None,
        "state": "running",
        "started_at": now,
        "finished_at": None,
        "summary": {},
    }
    tx.execute(insert(table).values(**fresh))
    return _evidence(fresh), False


def _abandoned(tx: Transaction, project: str, found: Mapping[str, Any], job_id: str, now: float) -> bool:
    """Tell whether nobody works on an evidence any more: it is ours, or its job ended, or its worker died.

    A dead worker's job is taken over by its fencing token first, so that it can never wake up as a second owner.
    """
    if found["job_id"] == job_id or found["state"] == "failed":
        return True
    try:
        if jobs.get(tx, project, found["job_id"]).state in ("done", "failed"):
            return True
    except NotFound:
        return True
    taken = jobs.claim(tx, project, owner=jobs.owner_name(), now=now, lease_s=1, id=found["job_id"])
    if taken is None:
        return False
    jobs.fail(tx, taken.id, taken.token, {"message": f"its evidence is continued by {job_id}"}, now)
    return True


def save_case(tx: Transaction, project: str, evidence: str, case: CaseRow) -> None:
    """Store one judged case; a case that is already there stays."""
    row = {
        "project_id": project,
        "evidence_id": evidence,
        "suite": case.suite,
        "scenario": case.scenario,
        "repeat": case.repeat,
        "verdict": case.verdict,
        "scores": [dict(score) for score in case.scores],
        "answer": dict(case.answer),
        "trace_id": case.trace_id,
        "cost_nano": case.cost_nano,
        "latency_us": case.latency_us,
        "subject": "",
    }
    insert_missing(tx, tables.case_result, [row])


def cases_of(tx: Transaction, project: str, evidence: str) -> list[CaseRow]:
    """Return the judged cases of an evidence, by suite, scenario and repeat."""
    table = tables.case_result
    statement = (
        select(table)
        .where(table.c.project_id == project, table.c.evidence_id == evidence)
        .order_by(table.c.suite, table.c.scenario, table.c.repeat)
    )
    names = CaseRow.__slots__
    return [CaseRow(**{name: row[name] for name in names}) for row in tx.all(statement)]


def verdicts_of(tx: Transaction, project: str, evidence: str) -> list[CaseRow]:
    """Return the cases of an evidence without answers and scores: all that a gate looks at, at a fifth of the cost."""
    table = tables.case_result
    reused = table.c.answer["reused"].as_integer().label("reused")
    names = ("suite", "scenario", "repeat", "verdict", "trace_id", "cost_nano", "latency_us")
    statement = (
        select(*(table.c[name] for name in names), reused)
        .where(table.c.project_id == project, table.c.evidence_id == evidence)
        .order_by(table.c.suite, table.c.scenario, table.c.repeat)
    )
    return [
        CaseRow(scores=(), answer={"reused": row["reused"] or 0}, **{name: row[name] for name in names})
        for row in tx.all(statement)
    ]


def close_evidence(tx: Transaction, evidence: Evidence, values: Mapping[str, Any]) -> None:
    """Write the end of a run: state, finished_at, digest, summary. Only the job that still owns it may."""
    table = tables.evidence
    tx.execute(update(table).where(table.c.id == evidence.id, table.c.job_id == evidence.job_id).values(**values))


def evidence_named(tx: Transaction, project: str, name: str) -> Evidence:
    """Return one evidence by id, or by the release it judged (the newest done one). Raises NotFound."""
    table = tables.evidence
    row = tx.one(select(table).where(table.c.project_id == project, table.c.id == name))
    if row is None:
        found = evidence_of(tx, project, name)
        if not found:
            raise NotFound(f"there is no evidence called {name!r}", "make some with `headgate eval`")
        return found[0]
    return _evidence(row)


def evidence_of(tx: Transaction, project: str, release: str) -> list[Evidence]:
    """Return the finished evidence of a release, newest first."""
    table = tables.evidence
    statement = (
        select(table)
        .where(table.c.project_id == project, table.c.release == release, table.c.state == "done")
        .order_by(table.c.finished_at.desc(), table.c.id.desc())
    )
    return [_evidence(row) for row in tx.all(statement)]


def _evidence(row: Mapping[str, Any]) -> Evidence:
    return Evidence(**{name: row[name] for name in Evidence.__slots__})
