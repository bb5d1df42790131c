"""Metric of a classifier: plain mean of the classes' F1, so that rare classes count as much as frequent ones."""

from headgate.measure.metrics import macro
from headgate.measure.options import AtLeast
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, bounded, nothing


def _make(options: AtLeast) -> Scorer:
    def look(subject: Subject) -> Score:
        if not subject.rows:
            return nothing("f1-macro", "prediction")
        value = macro([row[0] for row in subject.rows], [row[1] for row in subject.rows], "f1")
        return bounded("f1-macro", value, options.at_least, f"over {len(subject.rows)} rows")

    return Look("f1-macro", look)


plugin = ScorerPlugin(behaviour=1, options=AtLeast, make=_make, example=0.85)
