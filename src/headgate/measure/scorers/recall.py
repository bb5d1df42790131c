"""Of the rows of a class, the share predicted as it."""

from __future__ import annotations

from headgate.measure.metrics import class_metric
from headgate.measure.options import ClassMetric
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, bounded, nothing


def _make(options: ClassMetric) -> Look:
    def look(subject: Subject) -> Score:
        if not subject.rows:
            return nothing("recall", "prediction")
        truth, predicted = [row[0] for row in subject.rows], [row[1] for row in subject.rows]
        value = class_metric(truth, predicted, "recall", options.of)
        return bounded("recall", value, options.at_least, f"over {len(subject.rows)} rows", options.of or "")

    return Look("recall", look)


plugin = ScorerPlugin(behaviour=1, options=ClassMetric, make=_make, example=0.9)
