"""From a data file to a dataset version: the rows typed, canonical, named by their digest, and locked.

Called by the operations of this package, by the kind `dataset` and by `train`. It never changes a file but the lock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from headgate.artifacts import FILE, DatasetEntry, Lock
from headgate.kernel import Corrupt, Draft, InvalidInput, Where, blob_digest, canonical, document_of

from .checking import Report, check
from .expectations import Expectations, read_expectations
from .table import content_of, read_table

_SHOWN = 10

Row = dict[str, Any]


class ColumnDocument(BaseModel):
    """A column and the type of its values."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    type: str


class DatasetDocument(BaseModel):
    """The stored document of a dataset: `file` names its rows as canonical JSON lines."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    columns: tuple[ColumnDocument, ...]
    rows: int
    file: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A data file as it is now, checked; `rows` are typed when the report passes."""

    path: str
    file: str
    content: str
    expectations: Expectations
    report: Report
    rows: list[Row]

    def accepted(self) -> Batch:
        """Return the batch, or raise InvalidInput with its first problems when it breaks the expectations."""
        report = self.report
        if report.outcome == "pass":
            return self
        lines = [f"  {problem}" for problem in report.problems[:_SHOWN]]
        if report.found > len(lines):
            lines.append(f"  … and {report.found - len(lines)} more")
        count = "one problem" if report.found == 1 else f"{report.found} problems"
        head = f"this batch breaks its expectations: {count}, nothing was added, the last good version stays in use"
        first = report.problems[0]
        raise InvalidInput(
            "\n".join([head, *lines]),
            f"correct the rows, or the expectations in {self.path}.yaml",
            code="bad_batch",
            where=Where(self.file, first.line, first.column),
        )

    def draft(self) -> Draft:
        """Return the dataset version that this batch makes."""
        columns = self.expectations.columns
        content = encode_rows(self.rows)
        document = DatasetDocument(
            columns=tuple(
                ColumnDocument(name=name, type=columns[name].type if name in columns else "string")
                for name in self.report.columns
            ),
            rows=len(self.rows),
            file=blob_digest(content),
        )
        about = {"source": self.file, "content": self.content, "expectations": self.expectations.digest}
        return Draft("dataset", 1, self.path, document_of(document), {document.file: content}, about=about)

    def entry(self, digest: str) -> DatasetEntry:
        return DatasetEntry(
            digest=digest,
            source=self.file,
            content=self.content,
            expectations=self.expectations.digest,
            rows=len(self.rows),
        )


def read_batch(root: Path, path: str, file: str | None = None) -> Batch:
    """Read and check `path`'s source, or another file, against the expectations in `<path>.yaml`.

    Raises NotFound and InvalidInput for files that cannot be read at all; what is wrong with rows is in the report.
    """
    expectations = read_expectations(root, path)
    name = file or expectations.source
    table = read_table(root, name)
    report, rows = check(path, name, table, expectations)
    named = [dict(zip(table.columns, row, strict=True)) for row in rows]
    return Batch(path, name, table.content, expectations, report, named)


def locked_batch(root: Path, path: str) -> tuple[Batch, str]:
    """Return the batch that the lock holds, read from its file, and its digest.

    Raises InvalidInput when it was never added or has changed since.
    """
    digest = locked(root, path, False)
    batch = read_batch(root, path).accepted()
    if batch.draft().digest != digest:
        hint = f"run `headgate data add {path}`"
        raise InvalidInput(f"{batch.file} is read differently than when it was added", hint, where=Where(batch.file))
    return batch, digest


def locked(root: Path, path: str, allow_stale: bool) -> str:
    """Return the locked digest of a dataset.

    Raises InvalidInput when there is none, or when data or expectations have changed since (unless `allow_stale`).
    """
    entry = Lock.read(root).dataset(path)
    if entry is None:
        hint = f"run `headgate data add {path}`"
        raise InvalidInput(f"the dataset {path} was never added", hint, where=Where(FILE))
    changed = None if allow_stale else changed_since(root, path, entry)
    if changed:
        hint = f"run `headgate data add {path}`, or use --allow-stale"
        raise InvalidInput(f"{changed} changed since it was added", hint, where=Where(changed))
    return entry.digest


def changed_since(root: Path, path: str, entry: DatasetEntry) -> str | None:
    """Return the file that differs from what a locked dataset was made from, None when nothing does."""
    expectations = read_expectations(root, path)
    if expectations.source != entry.source or content_of(root, expectations.source) != entry.content:
        return expectations.source
    return f"{path}.yaml" if expectations.digest != entry.expectations else None


def encode_rows(rows: list[Row]) -> bytes:
    """Return rows as canonical JSON lines: RFC 8785, LF after each. The same rows give the same bytes everywhere."""
    return b"".join(canonical(row) + b"\n" for row in rows)


def decode_rows(content: bytes) -> list[Row]:
    """Return the rows of canonical JSON lines. Raises Corrupt when they are none."""
    try:
        rows = [json.loads(line, parse_int=_whole) for line in content.decode("utf-8").split("\n") if line]
    except ValueError as problem:
        raise Corrupt(f"the rows of a dataset are not JSON lines: {problem}") from None
    if not all(isinstance(row, dict) for row in rows):
        raise Corrupt("the rows of a dataset are not JSON objects")
    return rows


def _whole(text: str) -> int | float:
    """Read a whole number as it was: beyond 2^53 - 1 it can only have been a float, which JSON writes without a dot."""
    value = int(text)
    return value if abs(value) < 2**53 else float(value)


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Tell in sentences how two dataset documents differ."""
    before, after = (DatasetDocument.model_validate(dict(document)) for document in (old, new))
    types = [{column.name: column.type for column in side.columns} for side in (before, after)]
    told = [f"the column {name} is new" for name in types[1] if name not in types[0]]
    told += [f"the column {name} is gone" for name in types[0] if name not in types[1]]
    told += [
        f"the column {name} was of type {kind}, is {types[1][name]}"
        for name, kind in types[0].items()
        if types[1].get(name, kind) != kind
    ]
    if before.rows != after.rows:
        told.append(f"{before.rows} rows became {after.rows}")
    elif before.file != after.file and not told:
        told.append(f"the rows changed, there are still {after.rows}")
    return told
