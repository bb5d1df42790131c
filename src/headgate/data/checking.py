"""One pass over a batch: every value read as its type and held against the expectations. The result is a report.

Called by `add` and `validate`. A bad batch is a value here; whoever ingests decides to refuse it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from .expectations import Column, Expectations
from .similar import Seen
from .table import Table
from .values import read_text, read_value, sample

_KEPT = 100


class Problem(BaseModel):
    """One thing that is wrong: where it is, which rule it breaks, and the beginning of the value, masked."""

    model_config = ConfigDict(frozen=True)
    line: int | None
    column: str | None
    rule: str
    message: str
    value: str = ""

    def __str__(self) -> str:
        place = ", ".join(str(part) for part in (self.line and f"line {self.line}", self.column) if part)
        return f"{place}: {self.message}" if place else self.message


class Report(BaseModel):
    """What a batch is like. `problems` holds the first 100 of `found`; `counts` all of them by `column: rule`."""

    model_config = ConfigDict(frozen=True)
    dataset: str
    file: str
    outcome: Literal["pass", "fail"]
    rows: int
    columns: list[str]
    found: int
    counts: dict[str, int]
    problems: list[Problem]
    warnings: list[Problem]


class _Notes:
    """Problems as they are found; all are counted, the first are kept."""

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.counts: Counter[str] = Counter()

    def add(self, line: int | None, column: str | None, rule: str, message: str, value: Any = None) -> None:
        self.counts[f"{column}: {rule}" if column else rule] += 1
        if len(self.kept) < _KEPT:
            shown = "" if value is None else sample(value)
            self.kept.append(Problem(line=line, column=column, rule=rule, message=message, value=shown))


class _Check:
    """The rules of one column, and what has been seen of it."""

    def __init__(self, name: str, column: Column | None, textual: bool, notes: _Notes) -> None:
        self.name, self.column, self.notes = name, column or Column(), notes
        self.described = column is not None
        self.read: Callable[[str, Any], Any] = read_text if textual else read_value
        self.first: dict[Any, int] = {}
        self.missing = 0
        self.pattern = re.compile(self.column.pattern) if self.column.pattern is not None else None
        free = self.described and self.column.type == "string" and self.column.in_ is None and not self.pattern
        self.seen = Seen() if free else None
        self.near: list[tuple[int, int]] = []

    def value(self, line: int, raw: Any) -> Any:
        """Return the value as its type, or as it stands when it cannot be read."""
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            self.missing += 1
            if self.column.required:
                self.notes.add(line, self.name, "required", "is missing")
            return None
        if not self.described:
            return raw
        try:
            value = self.read(self.column.type, raw)
        except ValueError as problem:
            self.notes.add(line, self.name, "type", f"{problem}, found {sample(raw)!r}", raw)
            return raw
        self.rules(line, value)
        return value

    def rules(self, line: int, value: Any) -> None:
        column, add = self.column, self.notes.add
        if column.in_ is not None and value not in column.in_:
            add(line, self.name, "in", f"{sample(value)!r} is none of the {len(column.in_)} values expected", value)
        if column.range is not None:
            self.bounds(line, value, column.range.min, column.range.max)
        if column.length is not None and not column.length.min <= len(value) <= (column.length.max or len(value)):
            limits = f"{column.length.min} to {'any number' if column.length.max is None else column.length.max}"
            add(line, self.name, "length", f"has {len(value)} characters, expected {limits}", value)
        if self.pattern and not self.pattern.fullmatch(value):
            add(line, self.name, "pattern", f"{sample(value)!r} does not fit the pattern", value)
        if column.unique and (first := self.first.setdefault(value, line)) != line:
            add(line, self.name, "unique", f"is the same as in line {first}: {sample(value)!r}", value)
        elif self.seen and (near := self.seen.add(line, value)) is not None and near != line:
            self.near.append((line, near))

    def bounds(self, line: int, value: Any, low: Any, high: Any) -> None:
        if (low is not None and value < low) or (high is not None and value > high):
            limits = f"{'…' if low is None else low} to {'…' if high is None else high}"
            self.notes.add(line, self.name, "range", f"{value} is outside {limits}", value)

    def end(self, rows: int) -> None:
        allowed = self.column.missing
        if allowed is not None and rows and self.missing / rows > allowed:
            told = f"{self.missing} of {rows} values are missing, at most {allowed:.1%} may be"
            self.notes.add(None, self.name, "missing", told)


def check(dataset: str, file: str, table: Table, expected: Expectations) -> tuple[Report, list[list[Any]]]:
    """Check a batch and return its report and its rows with typed values (as read where a value is wrong)."""
    notes = _Notes()
    for name, column in expected.columns.items():
        if name not in table.columns and (column.required or column.missing is not None or column.unique):
            notes.add(1, name, "column", "there is no such column")
    for fault in table.faults:
        notes.add(fault.line, None, "row", fault.message)
    checks = [_Check(name, expected.columns.get(name), table.textual, notes) for name in table.columns]
    rows = [
        [one.value(line, raw) for one, raw in zip(checks, row, strict=True)]
        for line, row in zip(table.lines, table.rows, strict=True)
    ]
    for one in checks:
        one.end(len(rows))
    _count(len(rows), expected, notes)
    report = Report(
        dataset=dataset,
        file=file,
        outcome="fail" if notes.counts else "pass",
        rows=len(rows),
        columns=list(table.columns),
        found=notes.counts.total(),
        counts=dict(sorted(notes.counts.items())),
        problems=sorted(notes.kept, key=lambda problem: problem.line or 0),
        warnings=_warnings(checks, expected),
    )
    return report, rows


def _count(rows: int, expected: Expectations, notes: _Notes) -> None:
    low, high = expected.rows.min, expected.rows.max
    if rows < low or (high is not None and rows > high):
        limits = f"at least {low}" if rows < low else f"at most {high}"
        notes.add(None, None, "rows", f"there are {rows} rows, expected {limits}")


def _warnings(checks: list[_Check], expected: Expectations) -> list[Problem]:
    found = []
    for one in checks:
        if not one.described:
            message = "this column is not described in the expectations; it is kept as it is"
            found.append(Problem(line=None, column=one.name, rule="described", message=message))
        for line, near in one.near[:10]:
            message = f"says nearly the same as line {near}"
            found.append(Problem(line=line, column=one.name, rule="near-duplicate", message=message))
        if len(one.near) > 10:
            message = f"{len(one.near)} texts in all say nearly the same as an earlier one"
            found.append(Problem(line=None, column=one.name, rule="near-duplicate", message=message))
    present = {one.name for one in checks}
    for name in expected.columns:
        if name not in present:
            message = "there is no such column; every value of it counts as missing"
            found.append(Problem(line=None, column=name, rule="column", message=message))
    return found
