"""The operation `evidence.show`: one evidence with the cases that did not pass. Reads only."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.store import Context

from .naming import find_release
from .rows import CaseRow, cases_of, evidence_named


class EvidenceShow(BaseModel):
    """Which evidence, and which of its cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(description="an evidence (ev_…), or a release: digest, its beginning, or an environment")
    verdict: str = Field("not-pass", pattern="^(not-pass|all|pass|fail|review|error)$", description="which cases")
    suite: str | None = Field(None, description="only cases of this suite")
    limit: int = Field(100, ge=0, le=10_000, description="how many cases at most")
    skip: int = Field(0, ge=0, description="how many cases to leave out first")


class CaseShown(BaseModel):
    """One case: what was answered and what each expectation said."""

    model_config = ConfigDict(frozen=True)
    suite: str
    scenario: str
    verdict: str
    answer: str
    status: str
    route: str
    trace_id: str
    scores: list[dict[str, Any]]


class EvidenceShown(BaseModel):
    """One evidence and the cases asked for; `matching` is how many there are, however few were asked for."""

    model_config = ConfigDict(frozen=True)
    evidence: str
    release: str
    app: str
    digest: str | None
    state: str
    started_at: float
    finished_at: float | None
    created_by: str
    suites: dict[str, str]
    summary: dict[str, Any]
    matching: int
    cases: list[CaseShown]


def show(ctx: Context, request: EvidenceShow) -> EvidenceShown:
    """Show an evidence by its id, or the newest one of a release."""
    project = ctx.principal.project
    name = request.name
    if not name.startswith("ev_"):
        name = find_release(ctx.tx, project, name)["digest"]
    found = evidence_named(ctx.tx, project, name)
    cases = [case for case in cases_of(ctx.tx, project, found.id) if _wanted(case, request)]
    return EvidenceShown(
        evidence=found.id,
        release=found.release,
        app=found.app,
        digest=found.digest,
        state=found.state,
        started_at=found.started_at,
        finished_at=found.finished_at,
        created_by=found.created_by,
        suites=dict(found.pins["suites"]),
        summary=dict(found.summary),
        matching=len(cases),
        cases=[case_shown(case) for case in cases[request.skip : request.skip + request.limit]],
    )


def case_shown(case: CaseRow) -> CaseShown:
    """Turn a stored case into what people are shown."""
    return CaseShown(
        suite=case.suite,
        scenario=case.scenario,
        verdict=case.verdict,
        answer=str(case.answer.get("text", "")),
        status=str(case.answer.get("status", "")),
        route=str(case.answer.get("route", "")),
        trace_id=case.trace_id,
        scores=[dict(score) for score in case.scores],
    )


def _wanted(case: CaseRow, request: EvidenceShow) -> bool:
    verdict = request.verdict
    if request.suite is not None and case.suite != request.suite:
        return False
    return verdict == "all" or (case.verdict != "pass" if verdict == "not-pass" else case.verdict == verdict)
