"""From a fitted scikit-learn classifier to ONNX bytes that provably answer the same. Called by `train.run`.

The bytes depend on the fitted model alone: same lock, platform and one thread give the same digest (decision 3).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headgate.kernel import InvalidInput, Where, plugins
from headgate.models import Predictor

from .graph import JOINED, join_inputs, lower_everywhere_alike, repair_sublinear, tidy
from .pipeline import Row

_OPSET = {"": 18, "ai.onnx.ml": 3}
_EQUAL_LABELS = 0.995
_DIFFERENCE = 1e-3


@dataclass(frozen=True, slots=True)
class Input:
    """One column that the model is given, and whether it is a `text` or a `number`."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the ONNX model and scikit-learn agree: share of equal labels, largest difference of a probability."""

    rows: int
    labels: float
    difference: float


def to_onnx(model: Any, name: str, inputs: Sequence[Input], where: Where) -> bytes:
    """Convert a fitted classifier. Raises InvalidInput when it is none or skl2onnx cannot, MissingExtra without it."""
    labels_of(model, where)
    made = _converted(model, name, inputs, where)
    if _numbers(inputs):
        join_inputs(made, [column.name for column in inputs], JOINED, where)
    lower_everywhere_alike(made)
    repair_sublinear(made)
    tidy(made)
    return bytes(made.SerializeToString(deterministic=True))


def _converted(model: Any, name: str, inputs: Sequence[Input], where: Where) -> Any:
    try:
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    except ModuleNotFoundError as problem:
        raise plugins.missing(problem.name or "skl2onnx", "training") from None
    if _numbers(inputs):
        wanted = [(JOINED, FloatTensorType([None, len(inputs)]))]
    else:
        types = {"text": StringTensorType, "number": FloatTensorType}
        wanted = [(column.name, types[column.type]([None, 1])) for column in inputs]
    if hasattr(model, "predict_proba"):
        options: dict[int, dict[str, bool]] = {id(model): {"zipmap": False}}
    else:  # what gives no probabilities, such as LinearSVC, has no such option, and may not be given it by default
        options = {id(_last(model)): {}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return convert_sklearn(model, name=name, initial_types=wanted, target_opset=_OPSET, options=options)
    except Exception as problem:  # noqa: BLE001  a plugin call: skl2onnx raises errors of many kinds
        told = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        hint = "use estimators that skl2onnx converts; it converts most of scikit-learn, and no functions of your own"
        raise InvalidInput(f"the model cannot be converted to ONNX: {told[:300]}", hint, where=where) from None


def labels_of(model: Any, where: Where) -> list[str]:
    """Return the labels in the order of the model's scores. Raises InvalidInput for what is no fitted classifier."""
    classes = getattr(model, "classes_", None)
    if not hasattr(model, "predict") or classes is None:
        found = type(model).__name__
        hint = "return what scikit-learn's fit() returns: a classifier, or a pipeline that ends in one"
        raise InvalidInput(f"fit returned {found}, which is no fitted classifier", hint, where=where)
    return [str(label) for label in classes]


def agree(model: Any, predictor: Predictor, rows: Sequence[Row], inputs: Sequence[Input], where: Where) -> Agreement:
    """Compare both models on rows.

    Raises InvalidInput when under 99.5 % of the labels are equal or a probability differs by 0.001 or more.
    """
    given = features_of(rows, inputs)
    served = predictor.predict(rows)
    labels = [str(label) for label in model.predict(given)]
    equal = sum(said.label == label for said, label in zip(served, labels, strict=True)) / len(rows)
    difference = 0.0
    if hasattr(model, "predict_proba"):
        names = labels_of(model, where)
        difference = max(
            abs(said.scores[name] - float(value))
            for said, scores in zip(served, model.predict_proba(given), strict=True)
            for name, value in zip(names, scores, strict=True)
        )
    if equal < _EQUAL_LABELS or difference >= _DIFFERENCE:
        told = f"{equal:.1%} of {len(rows)} labels are equal, probabilities differ by up to {difference:.4f}"
        hint = (
            "at least 99.5 % and less than 0.001 are needed; of text, most often the tokens differ: "
            'use token_pattern=r"[a-zA-Z0-9]+"'
        )
        raise InvalidInput(f"the converted model does not answer as scikit-learn's does: {told}", hint, where=where)
    return Agreement(len(rows), equal, difference)


def features_of(rows: Sequence[Row], inputs: Sequence[Input]) -> Any:
    """Return rows as scikit-learn takes them: a list of texts for one text, otherwise a table."""
    import numpy

    if len(inputs) == 1 and inputs[0].type == "text":
        return ["" if row.get(inputs[0].name) is None else str(row[inputs[0].name]) for row in rows]
    table = [[row.get(column.name) for column in inputs] for row in rows]
    if _numbers(inputs):
        return numpy.array(table, dtype=numpy.float32)
    return numpy.array(table, dtype=object)


def _last(model: Any) -> Any:
    while hasattr(model, "steps"):
        model = model.steps[-1][1]
    return model


def _numbers(inputs: Sequence[Input]) -> bool:
    return all(column.type == "number" for column in inputs)
