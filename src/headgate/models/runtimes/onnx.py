"""Runs ONNX models: named columns in, labels out. Loaded when a model of the format `onnx` is; needs `headgate[onnx]`.

It only ever reads ONNX: no custom operators, no external data files, nothing is unpickled (P17).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from headgate.kernel import Corrupt, InvalidInput, plugins
from headgate.models.predict import Prediction


class Column(BaseModel):
    """One input of a model: a column of texts, categories (as text) or numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: Literal["text", "category", "number"]


class Document(BaseModel):
    """The part of a model artifact that this runtime reads. `labels` stand in the order of the model's scores."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    labels: tuple[str, ...]
    inputs: tuple[Column, ...]


class OnnxPredictor:
    """A compiled model: one thread, so that equal rows give equal scores, and safe to call from many."""

    def __init__(self, document: Document, session: Any) -> None:
        self.labels = document.labels
        self._columns = document.inputs
        self._session = session
        names = {item.name for item in session.get_inputs()}
        if names != {column.name for column in self._columns}:
            raise Corrupt(f"the model takes {sorted(names)}, its document says {[c.name for c in self._columns]}")
        outputs = session.get_outputs()
        self._label = outputs[0].name
        self._scores = outputs[1].name if len(outputs) > 1 else None

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        if not rows:
            return []
        feed = {column.name: _tensor(column, rows) for column in self._columns}
        wanted = [self._label, self._scores] if self._scores else [self._label]
        found = self._session.run(wanted, feed)
        labels = [self._named(value) for value in found[0]]
        table = found[1] if self._scores else [None] * len(rows)
        return [self._prediction(label, scores) for label, scores in zip(labels, table, strict=True)]

    def _prediction(self, label: str, row: Any) -> Prediction:
        if row is None:
            return Prediction(label, 1.0, {label: 1.0})
        scores = _shares(self._row(row))
        return Prediction(label, scores[label], scores)

    def _row(self, row: Any) -> dict[str, float]:
        if isinstance(row, Mapping):
            return {self._named(key): float(value) for key, value in row.items()}
        values = [float(value) for value in row]
        if len(values) == 1 and len(self.labels) == 2:
            values = [-values[0], values[0]]
        if len(values) != len(self.labels):
            raise Corrupt(f"the model gives {len(values)} scores for {len(self.labels)} labels")
        return dict(zip(self.labels, values, strict=True))

    def _named(self, value: Any) -> str:
        """Return the label that a model's output means: itself, or by its position in `labels`."""
        text = str(value)
        if text in self.labels:
            return text
        if text.lstrip("-").isdigit() and 0 <= int(text) < len(self.labels):
            return self.labels[int(text)]
        raise Corrupt(f"the model answers {text!r}, which is none of its labels")


def _shares(scores: Mapping[str, float]) -> dict[str, float]:
    """Return scores that add up to 1: as they are when they do, else (margins) by softmax."""
    total = math.fsum(scores.values())
    if min(scores.values()) >= 0 and abs(total - 1) < 1e-3:
        return dict(scores)
    top = max(scores.values())
    raised = {label: math.exp(score - top) for label, score in scores.items()}
    total = math.fsum(raised.values())
    return {label: value / total for label, value in raised.items()}


def _tensor(column: Column, rows: Sequence[Mapping[str, Any]]) -> Any:
    import numpy

    values = []
    for row in rows:
        if column.name not in row:
            raise InvalidInput(f"the column {column.name!r} is missing", "the model was trained with it")
        values.append([_value(column, row[column.name])])
    return numpy.array(values, dtype=numpy.float32 if column.type == "number" else object)


def _value(column: Column, value: Any) -> float | str:
    if column.type != "number":
        return "" if value is None else str(value)
    if value is None or value == "":
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidInput(f"the column {column.name!r} holds {str(value)[:40]!r}, expected a number") from None


class Plugin:
    behaviour = 1

    def load(self, document: Mapping[str, Any], content: bytes) -> OnnxPredictor:
        """Compile a model artifact. Raises Corrupt when document or bytes are not an ONNX model of ours."""
        try:
            import onnxruntime
        except ModuleNotFoundError as problem:
            raise plugins.missing(problem.name or "onnxruntime", "serving this model") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4
        try:
            read = Document.model_validate(dict(document))
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except ValidationError as problem:
            raise Corrupt(f"the model's document cannot be read: {problem.errors()[0]['msg']}") from None
        except Exception as problem:  # noqa: BLE001  a plugin call: onnxruntime raises errors of many kinds
            raise Corrupt(f"the model is not readable ONNX: {str(problem)[:200]}", "train it again") from None
        return OnnxPredictor(read, session)


plugin = Plugin()
