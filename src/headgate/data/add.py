"""The local operations `data.add` and `data.validate`: a batch is checked, and locked only when it is good."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from headgate.artifacts import Lock, upload
from headgate.kernel import Workspace

from .checking import Report
from .ingest import read_batch


class DataAdd(BaseModel):
    """Which dataset to add the current batch of."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dataset: str = Field(description="the dataset, as in data/utterances")


class DataAdded(BaseModel):
    """The locked version. `new` is false when the file holds what was locked before."""

    model_config = ConfigDict(frozen=True)
    dataset: str
    digest: str
    previous: str | None
    new: bool
    rows: int
    report: Report


class DataValidate(BaseModel):
    """Which dataset's expectations to check, on which file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dataset: str = Field(description="the dataset, as in data/utterances")
    file: str | None = Field(None, description="check this file instead of the dataset's own")


def add(workspace: Workspace, request: DataAdd) -> DataAdded:
    """Check the dataset's file, register the version and lock it.

    Raises InvalidInput with the first ten problems, line and column, when the batch breaks its expectations; then
    nothing changes and the last good version stays.
    """
    path = path_of(request.dataset)
    batch = read_batch(workspace.root, path).accepted()
    draft = batch.draft()
    known = Lock.read(workspace.root).dataset(path)
    upload(workspace, [draft])
    Lock.update(workspace.root, "datasets", path, batch.entry(draft.digest))
    return DataAdded(
        dataset=path,
        digest=draft.digest,
        previous=known.digest if known else None,
        new=known is None or known.digest != draft.digest,
        rows=len(batch.rows),
        report=batch.report,
    )


def validate(workspace: Workspace, request: DataValidate) -> Report:
    """Check a file against a dataset's expectations and report; nothing changes."""
    return read_batch(workspace.root, path_of(request.dataset), request.file).report


def path_of(name: str) -> str:
    """Return the path that a person meant: `data/utterances` may be written with its extension."""
    return name.removesuffix(".yaml").removesuffix(".csv").removesuffix(".jsonl").strip("/")
