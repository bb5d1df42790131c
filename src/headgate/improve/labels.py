"""Decided labels as rows of a dataset: personal data removed, deduplicated, conflicts told and never overwritten.

Called by the retraining job and by the triggers that count labels. A label is a decided review of the kind `label`;
who may give one is the review's affair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from headgate.kernel import normalise
from headgate.measure import find_pii, find_secrets, mask
from headgate.store import Transaction, tables

UNCLEAR = "unclear"
"""What a reviewer says who cannot tell; such a question gives no row."""
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Label:
    """One decided question: the features that the model saw, what a person says it is, and what else is known."""

    review: str
    trace_id: str
    row: Row
    label: str
    person: str
    at: float
    metadata: Row
    incident: str


@dataclass(frozen=True, slots=True)
class Target:
    """What a model learns: the columns it is given, the one it predicts, and all columns of its dataset."""

    features: tuple[str, ...]
    label: str
    columns: tuple[str, ...]

    def key(self, row: Row) -> tuple[str, ...]:
        """Tell rows apart by their features; texts that differ in case or spacing only are the same."""
        return tuple(_folded(row.get(name)) for name in self.features)


@dataclass(slots=True)
class Rows:
    """What labels came to. `conflicts` are told to people: no label of theirs is used."""

    new: list[dict[str, Any]] = field(default_factory=list)
    used: list[Label] = field(default_factory=list)
    duplicates: int = 0
    unclear: int = 0
    conflicts: list[dict[str, str]] = field(default_factory=list)

    @property
    def people(self) -> dict[str, int]:
        return dict(sorted(Counter(label.person for label in self.used).items()))


def decided(tx: Transaction, project: str, model: str, since: float = 0.0) -> list[Label]:
    """Return the labels that people gave for a model's requests after `since`, oldest first."""
    table = tables.review
    query = select(table).where(
        table.c.project_id == project, table.c.kind == "label", table.c.state == "decided", table.c.decided_at > since
    )
    rows = tx.all(query.order_by(table.c.decided_at, table.c.id))
    return [
        _label(row) for row in rows if row["question"].get("model") == model and (row["decision"] or {}).get("label")
    ]


def waiting(tx: Transaction, project: str, model: str, incident: str | None = None) -> int:
    """Count the label questions of a model that nobody decided yet, those of one incident when it is named."""
    table = tables.review
    query = select(table.c.question).where(
        table.c.project_id == project, table.c.kind == "label", table.c.state == "open"
    )
    found = [row["question"] for row in tx.all(query)]
    return sum(item.get("model") == model and incident in (None, item.get("incident")) for item in found)


def rows_of(labels: Sequence[Label], known: Sequence[Row], target: Target) -> Rows:
    """Turn labels into rows that `known` lacks.

    A text that stands in `known` with another label, or that people labelled differently, is a conflict.
    """
    stands = {target.key(row): str(row[target.label]) for row in known}
    said: dict[tuple[str, ...], set[str]] = {}
    for label in labels:
        if label.label != UNCLEAR:
            said.setdefault(target.key(_clean(label, target)), set()).add(label.label)
    found, taken = Rows(), set[tuple[str, ...]]()
    for label in labels:
        row = _clean(label, target)
        key = target.key(row)
        if label.label == UNCLEAR:
            found.unclear += 1
        elif stands.get(key, label.label) != label.label:
            found.conflicts.append(_conflict(label, row, target, f"stands in the data as {stands[key]}"))
        elif len(said[key]) > 1:
            found.conflicts.append(_conflict(label, row, target, f"was labelled {' and '.join(sorted(said[key]))}"))
        elif key in stands or key in taken:
            found.duplicates += 1
        else:
            taken.add(key)
            found.new.append(row)
            found.used.append(label)
    return found


def clean(text: str) -> str:
    """Remove personal data and secrets: a trace is masked where the policy says so, a row of a dataset always is."""
    return mask(text, [*find_pii(text), *find_secrets(text)])


def _clean(label: Label, target: Target) -> dict[str, Any]:
    """Return the row of a label: its features, its label, and those other columns that the request's metadata knew."""
    known = {**{name: label.metadata.get(name) for name in target.columns}, **label.row, target.label: label.label}
    row = {name: known.get(name) for name in target.columns}
    return {name: normalise(clean(value)) if isinstance(value, str) else value for name, value in row.items()}


def _conflict(label: Label, row: Row, target: Target, why: str) -> dict[str, str]:
    shown = " · ".join(str(row[name]) for name in target.features)
    return {"review": label.review, "label": label.label, "text": shown[:200], "why": why}


def _folded(value: Any) -> str:
    return " ".join(normalise(value).casefold().split()) if isinstance(value, str) else repr(value)


def _label(row: Mapping[str, Any]) -> Label:
    question = row["question"]
    return Label(
        review=row["id"],
        trace_id=row["trace_id"],
        row=question.get("row") or {},
        label=row["decision"]["label"],
        person=row["person"] or "",
        at=row["decided_at"],
        metadata=question.get("metadata") or {},
        incident=question.get("incident") or "",
    )
