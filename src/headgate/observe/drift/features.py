"""From recorded requests to columns: what a model was asked and what it said, one value a row and feature.

Called when requests are sketched and when a reference is. A conversation is one row, whose text is what the router
read; an inference is as many rows as were kept of it. Requests that no model routed or answered give none.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from headgate.kernel import RequestRecord
from headgate.measure import Topics
from headgate.serve import in_context

Kind = Literal["input", "prediction", "confidence", "topic"]
Sort = Literal["number", "category", "words"]
PREDICTION, CONFIDENCE = "prediction", "confidence"
INFERENCE = "infer"
_MASKED = re.compile(r"<[A-Z_]{2,20}>")


@dataclass(frozen=True, slots=True)
class Feature:
    """One column that is watched. rising: only more of it is drift."""

    name: str
    kind: Kind
    sort: Sort
    rising: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows that one model of one release answered in one environment, with the trace and time of each."""

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    confidences: list[float | None] = field(default_factory=list)
    traces: list[tuple[float, str]] = field(default_factory=list)

    def add(self, row: Mapping[str, Any], said: Mapping[str, Any], trace: tuple[float, str]) -> None:
        self.rows.append(row)
        self.labels.append(said.get("label") or None)
        self.confidences.append(said.get("confidence"))
        self.traces.append(trace)


@dataclass(frozen=True, slots=True, order=True)
class Served:
    """Who answered where: the model's digest, and the app's environment."""

    model: str
    app: str
    environment: str


def asked(
    records: Iterable[RequestRecord], text_of: Mapping[str, str], width: float
) -> dict[tuple[Served, float], Asked]:
    """Return the rows of requests by model and time bucket.

    text_of: the input that takes the question, by the model's digest; models that are not in it are left out.
    """
    found: dict[tuple[Served, float], Asked] = defaultdict(Asked)
    for record in records:
        digest = str(record.attributes.get("model_digest") or "")
        if digest not in text_of:
            continue
        served = Served(digest, record.app, record.environment)
        into, trace = found[served, record.at // width * width], (record.at, record.trace_id)
        if record.route == INFERENCE:
            for row, said in zip(record.payload.get("rows", ()), record.payload.get("predictions", ()), strict=False):
                into.add(row, said, trace)
            continue
        row = {**record.attributes, text_of[digest]: in_context(record.payload.get("messages", ()))}
        row.pop(CONFIDENCE, None)
        into.add(row, {"label": record.label, "confidence": record.attributes.get(CONFIDENCE)}, trace)
    return found


def text_features(name: str) -> tuple[Feature, ...]:
    """Return what a column of texts is watched by; the texts themselves are kept nowhere."""
    return (
        Feature(f"{name}.length", "input", "number"),
        Feature(f"{name}.words", "input", "number"),
        Feature(f"{name}.unknown", "input", "number", rising=True),
        Feature(f"{name}.topic", "topic", "category"),
        Feature(f"{name}.unfamiliar", "topic", "number", rising=True),
        Feature(f"{name}.said", "topic", "words"),
    )


def text_columns(name: str, texts: Sequence[Any], topics: Topics) -> dict[str, Sequence[Any]]:
    """Return the columns of `text_features`. What a guard has masked (`<EMAIL>`) is no word that anybody used."""
    looked = topics.look([_MASKED.sub(" ", str(text)) if text else None for text in texts])
    return {
        f"{name}.length": looked.length,
        f"{name}.words": looked.words,
        f"{name}.unknown": looked.unknown,
        f"{name}.topic": looked.topic,
        f"{name}.unfamiliar": looked.unfamiliar,
        f"{name}.said": looked.said,
    }


def columns(features: Iterable[Feature], topics: Mapping[str, Topics], group: Asked) -> dict[str, Sequence[Any]]:
    """Return a group's value of every feature that its rows can have; one that no row names is left out."""
    made: dict[str, Sequence[Any]] = {PREDICTION: group.labels, CONFIDENCE: group.confidences}
    for name, learned in topics.items():
        made |= text_columns(name, [row.get(name) for row in group.rows], learned)
    for feature in features:
        if feature.name not in made and any(feature.name in row for row in group.rows):
            made[feature.name] = [_plain(row.get(feature.name)) for row in group.rows]
    return made


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
