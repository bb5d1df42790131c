"""What a model was trained on, sketched once: the features that are watched and what they looked like then.

Inputs come from the model's training dataset, predictions and confidence from what the model says of its held-out
rows (of rows that it was fitted on it would be surer than of any others), topics from half of the texts, compared with
the other half. Kept in the table `drift_reference`; made by the pass, or in memory by whoever only looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import delete, select

from headgate import artifacts
from headgate.data import decode_rows
from headgate.kernel import Corrupt, HeadgateError, NotFound
from headgate.measure import CategorySketch, NumberSketch, Sketch, Topics, learn_topics, load_sketch, load_topics
from headgate.models import load_model
from headgate.store import Blobs, Transaction, tables

from .features import CONFIDENCE, PREDICTION, Feature, text_columns, text_features

BEHAVIOUR = 1
"""Changes when a reference made before would be read differently; then it is made again."""
_MOST_WORDS = 1000
_MOST_PREDICTED = 5000
_CHUNK = 500
_FEW = 50
_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Reference:
    """A model's reference. text: the input that takes a conversation's question, '' when it has none."""

    model: str
    path: str
    text: str
    features: tuple[Feature, ...]
    sketches: Mapping[str, Sketch]
    topics: Mapping[str, Topics]

    def dumps(self) -> bytes:
        head = {"model": self.model, "path": self.path, "text": self.text, "behaviour": BEHAVIOUR}
        features = [(item.name, item.kind, item.sort, item.rising) for item in self.features]
        sketches = {name: sketch.dumps() for name, sketch in self.sketches.items()}
        topics = {name: learned.dumps() for name, learned in self.topics.items()}
        return msgspec.msgpack.encode((head, features, sketches, topics))


def find(tx: Transaction, blobs: Blobs, project: str, digest: str) -> Reference:
    """Return a model's reference as it is stored, or made now. Raises NotFound or Corrupt when it has none."""
    return stored(tx, project, digest) or build(tx, blobs, project, digest)


def stored(tx: Transaction, project: str, digest: str) -> Reference | None:
    """Return a model's reference if it has been made, by this version."""
    table = tables.drift_reference
    row = tx.one(select(table).where(table.c.project_id == project, table.c.model == digest))
    if row is None or row["behaviour"] != BEHAVIOUR:
        return None
    head, features, sketches, topics = msgspec.msgpack.decode(row["content"])
    return Reference(
        head["model"],
        head["path"],
        head["text"],
        tuple(Feature(*item) for item in features),
        {name: load_sketch(content) for name, content in sketches.items()},
        {name: load_topics(content) for name, content in topics.items()},
    )


def save(tx: Transaction, project: str, reference: Reference, now: float) -> None:
    """Keep a reference; what was sketched against another one of the same model cannot be compared any more."""
    table = tables.drift_reference
    if stored(tx, project, reference.model) is not None:
        return
    tx.execute(delete(table).where(table.c.project_id == project, table.c.model == reference.model))
    row = {"project_id": project, "model": reference.model, "behaviour": BEHAVIOUR}
    tx.execute(table.insert().values(**row, content=reference.dumps(), at=now))


def build(tx: Transaction, blobs: Blobs, project: str, digest: str) -> Reference:
    """Sketch what a model was trained on; a second or two for thousands of texts.

    Raises NotFound when the model, its dataset or their rows are not stored here.
    """
    model = artifacts.get(tx, project, digest)
    about = model.about
    if model.kind != "model" or "dataset" not in about:
        raise NotFound(f"nobody knows what {model.path} was trained on", "train it with `headgate train`")
    dataset = artifacts.get(tx, project, about["dataset"]).document
    rows = decode_rows(blobs.get(dataset["file"]))
    types = {column["name"]: column["type"] for column in dataset["columns"]}
    inputs = [(item["name"], item["type"]) for item in model.document["inputs"]]
    made = _Making()
    for name, sort in inputs:
        made.column(name, [row.get(name) for row in rows], sort == "number" and types.get(name) != "boolean")
    made.said(model.document, blobs, about.get("holdout") or {})
    text = next((name for name, sort in inputs if sort == "text"), "")
    return Reference(digest, model.path, text, tuple(made.features), made.sketches, made.topics)


class _Making:
    """A reference being made, column by column."""

    def __init__(self) -> None:
        self.features: list[Feature] = []
        self.sketches: dict[str, Sketch] = {}
        self.topics: dict[str, Topics] = {}

    def column(self, name: str, values: Sequence[Any], number: bool) -> None:
        """Sketch an input: as numbers, as texts when its values hardly repeat, else as categories."""
        if number:
            self._add(Feature(name, "input", "number"), values)
            return
        texts = [str(value) for value in values if value not in (None, "")]
        few = len(set(texts)) * _REPEATS <= len(texts) or all(len(text.split()) <= 1 for text in texts[:_FEW])
        learned = None if few else learn_topics(texts)
        if learned is None:
            self._add(Feature(name, "input", "category"), values)
            return
        topics, kept = learned
        self.topics[name] = topics
        found = text_columns(name, kept, topics)
        for feature in text_features(name):
            self._add(feature, found[feature.name])

    def said(self, document: Mapping[str, Any], blobs: Blobs, holdout: Mapping[str, Any]) -> None:
        """Sketch what the model says of its held-out rows; without them, or its runtime, that is not watched."""
        if not holdout.get("rows"):
            return
        try:
            rows = decode_rows(blobs.get(holdout["file"]))[:_MOST_PREDICTED]
            predictor = load_model(document, blobs.get(document["file"]))
            found = [item for at in range(0, len(rows), _CHUNK) for item in predictor.predict(rows[at : at + _CHUNK])]
        except HeadgateError:
            return
        self._add(Feature(PREDICTION, "prediction", "category"), [item.label for item in found])
        self._add(Feature(CONFIDENCE, "confidence", "number"), [item.confidence for item in found])

    def _add(self, feature: Feature, values: Sequence[Any]) -> None:
        sketch: Sketch
        if feature.sort == "number":
            sketch = NumberSketch()
            sketch.add(values)
        elif feature.sort == "words":
            sketch = CategorySketch.reference([word for row in values for word in row], _MOST_WORDS, len(values))
        else:
            sketch = CategorySketch.reference(values)
        self.features.append(feature)
        self.sketches[feature.name] = sketch


@dataclass(slots=True)
class References:
    """References of one project, each found once; why a model has none is kept too."""

    tx: Transaction
    blobs: Blobs
    project: str
    found: dict[str, Reference]
    without: dict[str, str]

    def get(self, digest: str) -> Reference | None:
        if digest not in self.found and digest not in self.without:
            try:
                self.found[digest] = find(self.tx, self.blobs, self.project, digest)
            except (NotFound, Corrupt) as problem:
                self.without[digest] = problem.message
        return self.found.get(digest)
