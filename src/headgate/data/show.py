"""The local operation `data.show`: a locked dataset, its columns, and whether its file has changed since."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.artifacts import Lock
from headgate.kernel import Workspace

from .add import path_of
from .ingest import changed_since, read_batch
from .profile import ColumnProfile
from .versions import from_batch, registered


class DataShow(BaseModel):
    """Which dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dataset: str = Field(description="the dataset, as in data/utterances")


class DataShown(BaseModel):
    """A dataset: `locked`: the file is what the lock holds; `changed`: it is not; `new`: it was never added."""

    model_config = ConfigDict(frozen=True)
    dataset: str
    state: Literal["locked", "changed", "new"]
    words: str
    digest: str | None
    source: str
    rows: int
    columns: list[ColumnProfile]


def show(workspace: Workspace, request: DataShow) -> DataShown:
    """Show the locked version; when there is none, the file as it is.

    Raises NotFound when the locked version of a changed file is not registered here.
    """
    root, path = workspace.root, path_of(request.dataset)
    entry = Lock.read(root).dataset(path)
    changed = changed_since(root, path, entry) if entry else None
    if entry and changed:
        version = registered(workspace, entry.digest)
        state: Literal["locked", "changed", "new"] = "changed"
        words = f"{changed} changed since it was added; this is the version that is in use"
    else:
        version = from_batch(read_batch(root, path))
        state = "locked" if entry else "new"
        words = "the file is what the lock holds" if entry else f"never added: run `headgate data add {path}`"
    return DataShown(
        dataset=path,
        state=state,
        words=words,
        digest=entry.digest if entry else None,
        source=entry.source if entry else version.name,
        rows=len(version.rows),
        columns=[version.profile(name) for name in version.types],
    )
