"""The local operation `release.create`: build from files, upload what the server lacks, register.

Called by people, by `eval` and by CI. It never trains and never evaluates.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from headgate import artifacts
from headgate.kernel import NotFound, Workspace
from headgate.serve import cross_check

from .build import Build, build, one_app
from .registry import ReleaseRegister, ReleaseResult


class ReleaseCreate(BaseModel):
    """What to build a release of."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str | None = Field(None, description="the app; may be left out when the project has one")
    allow_stale: bool = Field(False, description="use the locked models though their inputs have changed since")
    note: str = Field("", max_length=500, description="what this release is for")


def create(workspace: Workspace, request: ReleaseCreate) -> ReleaseResult:
    """Build, upload and register a release; the same files give the same release, wherever they lie.

    Raises InvalidInput with file, line, key and nearest name for whatever is wrong in a file; then nothing is written.
    """
    built = build(workspace.root, one_app(workspace.root, request.app), request.allow_stale)
    check_router(workspace, built)
    workspace.report(f"{len(built.manifest.pins)} artifacts", len(built.drafts), len(built.drafts))
    artifacts.upload(workspace, built.drafts)
    wanted = ReleaseRegister(
        app=built.app, pins=built.manifest.pins, providers=built.manifest.providers, note=request.note
    )
    return ReleaseResult.model_validate(workspace.call("release.register", wanted))


def check_router(workspace: Workspace, built: Build) -> None:
    """Check the app's routes against the labels of its trained router. Raises InvalidInput with the nearest label."""
    app = built.draft("app")[0]
    router = app.document["route"].get("model")
    if router is None:
        return
    try:
        shown = workspace.call("artifact.show", {"name": built.manifest.pins[router].digest})
    except NotFound:
        raise NotFound(f"the model {router} is not registered here", f"run `headgate train {router}`") from None
    cross_check(workspace.root, app.path, tuple(shown["document"]["labels"]))
