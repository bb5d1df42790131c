"""The client's side of registering: send only what the server lacks. Called by train, data, release and eval."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from headgate.kernel import Draft, Workspace

from .registry import Missing, Register


def upload(workspace: Workspace, drafts: Sequence[Draft]) -> None:
    """Register the drafts that the project lacks, with those of their blobs that it lacks.

    Raises what `artifact.register` raises; whatever was registered before that stays, and a repetition sends the rest.
    """
    by_digest = {draft.digest: draft for draft in drafts}
    lacking = _missing(workspace, list(by_digest))
    wanted = [draft for digest, draft in by_digest.items() if digest in lacking]
    absent = _missing(workspace, sorted({name for draft in wanted for name in draft.blobs}))
    for done, draft in enumerate(wanted):
        blobs = {
            name: base64.b64encode(content).decode("ascii") if name in absent else None
            for name, content in draft.blobs.items()
        }
        workspace.report(f"uploading {draft.path}", done, len(wanted))
        request = Register(
            kind=draft.kind,
            schema_=draft.schema,
            path=draft.path,
            document=dict(draft.document),
            blobs=blobs,
            about=dict(draft.about),
        )
        workspace.call("artifact.register", request.model_dump(mode="json", by_alias=True))
        absent -= set(draft.blobs)


def _missing(workspace: Workspace, digests: list[str]) -> set[str]:
    if not digests:
        return set()
    return set(workspace.call("artifact.missing", Missing(digests=digests))["missing"])
