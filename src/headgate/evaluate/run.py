"""The job `evidence.run`: suites × scenarios through `serve.answer`, case by case on disk, resumable (P4).

Called by the job worker. It holds the one bridge from jobs to the async path (`asyncio.run`); no transaction is open
while a case is being executed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate import artifacts
from headgate.kernel import NotFound
from headgate.models import Providers
from headgate.serve import Runtime, Snapshot, load
from headgate.store import Work, tables

from .cases import Case, run_case
from .journal import CaseCalls, Journal
from .predictions import evaluate_models
from .rows import CaseRow, Evidence, cases_of, close_evidence, open_evidence, save_case
from .scenarios import Suite
from .summary import evidence_digest, summarise

WORKERS = 8
"""Cases in flight at once."""
_BEAT_S = 1.0


class SuitePin(BaseModel):
    """One version of a suite."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str
    digest: str


class Evaluate(BaseModel):
    """Judge one release by given versions of suites."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    release: str = Field(description="the release's whole digest")
    suites: tuple[SuitePin, ...] = Field(description="which versions of which suites judge it")


class EvidenceResult(BaseModel):
    """What the run found: the evidence's id and digest, and its summary."""

    model_config = ConfigDict(frozen=True)
    evidence: str
    release: str
    app: str
    digest: str | None
    state: str
    resumed: bool = False
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Exam:
    """Everything a run needs in memory: what is judged, by what, and what is left to do."""

    snapshot: Snapshot
    cases: tuple[Case, ...]
    models: dict[str, Any]


def run(work: Work, request: Evaluate) -> EvidenceResult:
    """Judge a release. A run with the same release and suites that was killed is continued where it stopped.

    Raises NotFound when the release or a suite is not registered here.
    """
    project = work.principal.project
    with work.store.records.begin() as tx:
        release = tx.one(
            select(tables.release).where(
                tables.release.c.project_id == project, tables.release.c.digest == request.release
            )
        )
        if release is None:
            raise NotFound(f"there is no release {request.release}", "make one with `headgate release create`")
        suites = {pin.path: _suite(work, tx, pin) for pin in request.suites}
        row = {
            "release": request.release,
            "app": release["app"],
            "pins": _pins(request, suites),
            "job_id": work.job_id,
            "created_by": work.principal.person,
        }
        evidence, resumed = open_evidence(tx, project, row, work.clock.now())
    try:
        return _finish(work, evidence, _examine(work, evidence, release["manifest"], suites), resumed)
    except BaseException:
        with work.store.records.begin() as tx:
            close_evidence(tx, evidence, {"state": "failed"})
        raise


def _suite(work: Work, tx: Any, pin: SuitePin) -> Suite:
    stored = artifacts.get(tx, work.principal.project, pin.digest)
    if stored.kind != "suite":
        raise NotFound(f"{pin.path} is a {stored.kind}, not a suite")
    return Suite.model_validate(stored.document)


def _pins(request: Evaluate, suites: dict[str, Suite]) -> dict[str, Any]:
    behaviours = {
        item.name.removeprefix("not-"): item.behaviour
        for suite in suites.values()
        for scenario in suite.scenarios
        for item in scenario.expect
    }
    return {"suites": {pin.path: pin.digest for pin in request.suites}, "scorers": behaviours, "repeat": 1}


def _examine(work: Work, evidence: Evidence, manifest: dict[str, Any], suites: dict[str, Suite]) -> dict[str, Any]:
    """Run what is left of an evidence; returns the models' metrics."""
    project, store = work.principal.project, work.store
    with store.records.read() as tx:
        snapshot = load(tx, project, store.blobs, evidence.release)
        models = evaluate_models(tx, project, store.blobs, manifest["pins"])
        done = {case.key for case in cases_of(tx, project, evidence.id)}
    cases = [Case(path, scenario) for path, suite in suites.items() for scenario in suite.scenarios]
    left = tuple(case for case in cases if case.key not in done)
    try:
        asyncio.run(_Run(work, evidence, snapshot, len(cases)).all(left))
    except BaseExceptionGroup as several:
        raise _first(several) from None
    return models


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return one error of several workers: the job has one end, and the first says why."""
    found: BaseException = several
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


class _Run:
    """One pass over the cases that are left, `WORKERS` at a time, with a beat for the job's lease."""

    def __init__(self, work: Work, evidence: Evidence, snapshot: Snapshot, total: int) -> None:
        self.work, self.evidence, self.snapshot, self.total = work, evidence, snapshot, total
        self.done = 0
        self.journal = Journal(work.store.records, work.principal.project, evidence.id, work.clock)

    async def all(self, cases: Sequence[Case]) -> None:
        self.done = self.total - len(cases)
        providers = self.work.service(Providers)
        runtime = Runtime(
            providers=providers,
            recorder=self.work.store.spans,
            clock=self.work.clock,
            purse=None,
            hold=None,
            environment="",
            source="evaluation",
            project=self.work.principal.project,
        )
        try:
            queue = iter(cases)
            async with asyncio.TaskGroup() as group:
                beat = group.create_task(self.beat())
                workers = [group.create_task(self.worker(queue, runtime)) for _ in range(min(WORKERS, len(cases)))]
                await asyncio.wait(workers) if workers else None
                beat.cancel()
        finally:
            await providers.close()

    async def worker(self, queue: Iterator[Case], runtime: Runtime) -> None:
        for case in queue:
            calls = CaseCalls(self.journal, "/".join((case.suite, case.scenario.id, str(case.repeat))))
            found = await run_case(case, self.snapshot, runtime, calls)
            async with self.journal.turn:
                await asyncio.to_thread(self.save, found)
            self.done += 1

    def save(self, found: CaseRow) -> None:
        with self.work.store.records.begin() as tx:
            save_case(tx, self.work.principal.project, self.evidence.id, found)

    async def beat(self) -> None:
        while True:
            await asyncio.to_thread(self.work.progress, "cases", self.done, self.total)
            await asyncio.sleep(_BEAT_S)


def _finish(work: Work, evidence: Evidence, models: dict[str, Any], resumed: bool) -> EvidenceResult:
    project = work.principal.project
    with work.store.records.begin() as tx:
        cases = cases_of(tx, project, evidence.id)
        summary = summarise(evidence.pins, cases, models)
        found = evidence_digest(evidence.release, evidence.pins, cases, models)
        values = {"state": "done", "finished_at": work.clock.now(), "digest": found, "summary": summary}
        close_evidence(tx, evidence, values)
    return EvidenceResult(
        evidence=evidence.id,
        release=evidence.release,
        app=evidence.app,
        digest=found,
        state="done",
        resumed=resumed,
        summary=summary,
    )
