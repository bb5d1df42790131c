"""Versions of a dataset on a person's side: the file as it is now, or one that was registered.

Called by show and diff. Nothing here writes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from headgate.kernel import InvalidInput, Workspace

from .ingest import Batch, DatasetDocument, Row, decode_rows
from .profile import ColumnProfile, profile


@dataclass(frozen=True, slots=True)
class Version:
    """Rows with the types of their columns, and what to call them."""

    name: str
    types: dict[str, str]
    rows: list[Row]

    def column(self, name: str) -> list[Any]:
        return [row.get(name) for row in self.rows]

    def profile(self, name: str) -> ColumnProfile:
        return profile(name, self.types[name], self.column(name))


def from_batch(batch: Batch) -> Version:
    """The data file as it is now, whether or not it meets its expectations."""
    columns = batch.expectations.columns
    types: dict[str, str] = {name: columns[name].type if name in columns else "string" for name in batch.report.columns}
    return Version(batch.file, types, batch.rows)


def registered(workspace: Workspace, name: str) -> Version:
    """A registered version by digest, its beginning, or path. Raises NotFound, or InvalidInput for another kind."""
    shown = workspace.call("artifact.show", {"name": name})
    if shown["kind"] != "dataset":
        raise InvalidInput(f"{name} is a {shown['kind']}, not a dataset")
    document = DatasetDocument.model_validate(shown["document"])
    shown = workspace.call("artifact.show", {"name": shown["digest"], "blob": document.file})
    rows = decode_rows(base64.b64decode(shown["content"]))
    return Version(shown["digest"], {column.name: column.type for column in document.columns}, rows)
