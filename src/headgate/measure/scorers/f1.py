"""Metric of a classifier: F1 of a class: harmonic mean of precision and recall."""

from headgate.measure.metrics import class_metric
from headgate.measure.options import ClassMetric
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, bounded, nothing


def _make(options: ClassMetric) -> Scorer:
    def look(subject: Subject) -> Score:
        if not subject.rows:
            return nothing("f1", "prediction")
        truth, predicted = [row[0] for row in subject.rows], [row[1] for row in subject.rows]
        value = class_metric(truth, predicted, "f1", options.of)
        return bounded("f1", value, options.at_least, f"over {len(subject.rows)} rows", options.of or "")

    return Look("f1", look)


plugin = ScorerPlugin(behaviour=1, options=ClassMetric, make=_make, example={"at_least": 0.8, "of": "yes"})
