"""How good a trained model is on rows it has not seen, in total and for each value of each segment.

The figures are those of what is served: the ONNX model's answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from headgate.models import Prediction

from .pipeline import Row


class Measured(BaseModel):
    """Metrics (0 to 1) over `n` rows."""

    model_config = ConfigDict(frozen=True)
    n: int
    metrics: dict[str, float]


def measure(rows: Sequence[Row], said: Sequence[Prediction], target: str) -> Measured:
    """Compare predictions with the truth: `accuracy` and `f1_macro`; none without rows."""
    pairs = [(str(row[target]), prediction.label) for row, prediction in zip(rows, said, strict=True)]
    if not pairs:
        return Measured(n=0, metrics={})
    accuracy = sum(truth == label for truth, label in pairs) / len(pairs)
    return Measured(n=len(pairs), metrics={"accuracy": accuracy, "f1_macro": _f1_macro(pairs)})


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


def _f1_macro(pairs: Sequence[tuple[str, str]]) -> float:
    labels = sorted({label for pair in pairs for label in pair})
    scores = []
    for label in labels:
        hit = sum(truth == label == said for truth, said in pairs)
        total = sum((truth == label) + (said == label) for truth, said in pairs)
        scores.append(2 * hit / total)
    return sum(scores) / len(scores)
