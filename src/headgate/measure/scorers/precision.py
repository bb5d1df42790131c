"""Metric of a classifier: precision of a class: how much of what was called so is so."""

from headgate.measure.metrics import class_metric
from headgate.measure.options import ClassMetric
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, bounded, nothing


def _make(options: ClassMetric) -> Scorer:
    def look(subject: Subject) -> Score:
        if not subject.rows:
            return nothing("precision", "prediction")
        truth, predicted = [row[0] for row in subject.rows], [row[1] for row in subject.rows]
        value = class_metric(truth, predicted, "precision", options.of)
        return bounded("precision", value, options.at_least, f"over {len(subject.rows)} rows", options.of or "")

    return Look("precision", look)


plugin = ScorerPlugin(behaviour=1, options=ClassMetric, make=_make, example={"at_least": 0.8, "of": "yes"})
