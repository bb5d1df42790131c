"""Metric of a classifier: area under the ROC curve; of more than two classes one against the rest, plain mean."""

from headgate.measure.metrics import auc
from headgate.measure.options import AtLeast
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, bounded, nothing


def _make(options: AtLeast) -> Scorer:
    def look(subject: Subject) -> Score:
        if not subject.rows:
            return nothing("auc", "prediction")
        value = auc([row[0] for row in subject.rows], [row[2] for row in subject.rows])
        return bounded("auc", value, options.at_least, f"over {len(subject.rows)} rows")

    return Look("auc", look)


plugin = ScorerPlugin(behaviour=1, options=AtLeast, make=_make, example=0.8)
