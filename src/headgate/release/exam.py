"""The local operation `eval`: parse suites, upload them, build the release when none is named, and judge it.

Called by people and CI. The judging itself is the job `evidence.run`; what it costs to resume is the job's affair.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate import artifacts
from headgate.evaluate import CaseShown, Comparison, EvidenceResult, SuitePin
from headgate.kernel import Conflict, Draft, InvalidInput, Kind, NotFound, Where, Workspace, nearest, plugins

from .create import ReleaseCreate, create

_FAILING = 20


class Eval(BaseModel):
    """What to judge, and by which suites."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    release: str | None = Field(None, description="a registered release; built from the files when left out")
    suite: tuple[str, ...] = Field((), description="only these suites (suites/golden); all of suites/ when left out")
    against: str | None = Field(None, description="compare with this release, for example prod")
    app: str | None = Field(None, description="the app; may be left out when the project has one")
    allow_stale: bool = Field(False, description="use the locked models though their inputs have changed since")


class EvalResult(BaseModel):
    """The evidence, its summary, the first scenarios that did not pass, and the comparison when one was asked for."""

    model_config = ConfigDict(frozen=True)
    release: str
    app: str
    evidence: str
    digest: str | None
    resumed: bool
    summary: dict[str, Any]
    failing: list[CaseShown]
    comparison: Comparison | None = None


def evaluate(workspace: Workspace, request: Eval) -> EvalResult:
    """Judge a release by suites of the working tree.

    Raises InvalidInput with file and line for a broken suite or project file; then nothing was uploaded.
    """
    drafts = parse_suites(workspace.root, request.suite)
    if request.release is None:
        made = create(workspace, ReleaseCreate(app=request.app, allow_stale=request.allow_stale))
        release = made.digest
    else:
        release = _digest(workspace, request.release)
    artifacts.upload(workspace, drafts)
    pins = [SuitePin(path=draft.path, digest=draft.digest) for draft in drafts]
    result = _run(workspace, release, pins)
    comparison = _compare(workspace, request.against, release, pins) if request.against else None
    shown = workspace.call("evidence.show", {"name": result.evidence, "limit": _FAILING})
    return EvalResult(
        release=release,
        app=result.app,
        evidence=result.evidence,
        digest=result.digest,
        resumed=result.resumed,
        summary=result.summary,
        failing=[CaseShown.model_validate(case) for case in shown["cases"]],
        comparison=comparison,
    )


def parse_suites(root: Path, wanted: tuple[str, ...] = ()) -> list[Draft]:
    """Parse the suites named, or all under `suites/`. Raises InvalidInput with the nearest name for one that is not."""
    known = sorted(f"suites/{file.stem}" for file in (root / "suites").glob("*.yaml"))
    if not known:
        raise InvalidInput("the project has no suites", "write suites/<name>.yaml", where=Where("suites"))
    for name in wanted:
        if name not in known:
            raise InvalidInput(f"there is no suite {name!r}", nearest(name, known), where=Where("suites"))
    kind: Kind = plugins.load("kinds", "suite")
    return [kind.parse(root, path) for path in wanted or known]


def _digest(workspace: Workspace, name: str) -> str:
    return str(workspace.call("release.show", {"release": name})["digest"])


def _run(workspace: Workspace, release: str, pins: list[SuitePin]) -> EvidenceResult:
    suites = [pin.model_dump() for pin in pins]
    return EvidenceResult.model_validate(workspace.call("evidence.run", {"release": release, "suites": suites}))


def _compare(workspace: Workspace, name: str, release: str, pins: list[SuitePin]) -> Comparison | None:
    """Compare with another release, judging that one by the same suites first when it never was.

    Returns None, and says so, when the name is an environment that serves nothing yet.
    """
    try:
        other = _digest(workspace, name)
    except NotFound as problem:
        workspace.report(f"not compared: {problem.message}")
        return None
    names = {"a": other, "b": release}
    try:
        return Comparison.model_validate(workspace.call("compare", names))
    except Conflict:
        _run(workspace, other, pins)
        return Comparison.model_validate(workspace.call("compare", names))
