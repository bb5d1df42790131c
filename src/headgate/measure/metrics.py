"""Metrics of classifiers over rows of truth, prediction and confidence, in plain numpy.

Called by the scorers over rows. Definitions follow scikit-learn's, and tests compare with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from headgate.kernel import InvalidInput

Measure = Literal["precision", "recall", "f1"]


def accuracy(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the share of rows that are right; 0 without rows."""
    right = sum(said == true for true, said in zip(truth, predicted, strict=True))
    return right / len(truth) if truth else 0.0


def per_class(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return precision, recall, f1 and support of each class that occurs; what divides by zero is 0."""
    found = {}
    for label in sorted({*truth, *predicted}):
        hits = sum(true == said == label for true, said in zip(truth, predicted, strict=True))
        said, real = predicted.count(label), truth.count(label)
        found[label] = {
            "precision": hits / said if said else 0.0,
            "recall": hits / real if real else 0.0,
            "f1": 2 * hits / (said + real) if said + real else 0.0,
            "support": float(real),
        }
    return found


def class_metric(truth: Sequence[str], predicted: Sequence[str], measure: Measure, of: str | None = None) -> float:
    """Return a measure of class `of`; unless named, of two classes the one that sorts last, of more the plain mean.

    Raises InvalidInput when the class does not occur.
    """
    classes = per_class(truth, predicted)
    if of is None and len(classes) == 2:
        of = max(classes)
    if of is None:
        return macro(truth, predicted, measure)
    if of not in classes:
        raise InvalidInput(f"no row is or was called {of!r}", f"classes: {', '.join(classes)}")
    return classes[of][measure]


def macro(truth: Sequence[str], predicted: Sequence[str], measure: Measure) -> float:
    """Return the plain mean of a measure over the classes, however rare; 0 without rows."""
    classes = per_class(truth, predicted)
    return sum(found[measure] for found in classes.values()) / len(classes) if classes else 0.0


def auc(truth: Sequence[str], scores: Sequence[Mapping[str, float]]) -> float:
    """Return the area under the ROC curve: of two classes the one that sorts last, of more one-against-rest, macro.

    Ties count half. Raises InvalidInput when fewer than two classes occur in the truth.
    """
    import numpy as np

    labels = sorted(set(truth))
    if len(labels) < 2:
        raise InvalidInput("AUC needs rows of at least two classes")
    areas = []
    for label in labels[-1:] if len(labels) == 2 else labels:
        positive = np.array([true == label for true in truth])
        areas.append(_area(positive, np.array([float(row.get(label, 0.0)) for row in scores])))
    return float(sum(areas) / len(areas))


def _area(positive: Any, score: Any) -> float:
    """Mann and Whitney's statistic by mean ranks."""
    import numpy as np

    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    ranks = (upto - (counts - 1) / 2)[place.reshape(-1)]
    n = int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))
