"""How good a trained model is on rows it has not seen, in total and for each value of each segment.

The figures are those of what is served: the ONNX model's answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from headgate.measure import Subject, build
from headgate.models import Prediction

from .pipeline import Row

_METRICS = ("accuracy", "f1-macro")


class Measured(BaseModel):
    """Metrics (0 to 1) over `n` rows."""

    model_config = ConfigDict(frozen=True)
    n: int
    metrics: dict[str, float]


def measure(rows: Sequence[Row], said: Sequence[Prediction], target: str) -> Measured:
    """Compare predictions with the truth: `accuracy` and `f1_macro`, by the scorers of gates; none without rows."""
    if not rows:
        return Measured(n=0, metrics={})
    judged: list[tuple[str, str, Mapping[str, float], Mapping[str, str]]] = [
        (str(row[target]), one.label, one.scores, {}) for row, one in zip(rows, said, strict=True)
    ]
    values = {name.replace("-", "_"): build(name, None).look(Subject(rows=judged)).value for name in _METRICS}
    return Measured(n=len(judged), metrics=values)


def by_segment(
    rows: Sequence[Row], said: Sequence[Prediction], target: str, segments: Sequence[str]
) -> dict[str, dict[str, Measured]]:
    """Return metrics by segment column and value; a missing value is the segment ''."""
    found: dict[str, dict[str, Measured]] = {}
    for name in segments:
        groups: dict[str, list[int]] = {}
        for index, row in enumerate(rows):
            groups.setdefault("" if row.get(name) is None else str(row[name]), []).append(index)
        found[name] = {
            value: measure([rows[index] for index in places], [said[index] for index in places], target)
            for value, places in sorted(groups.items())
        }
    return found
