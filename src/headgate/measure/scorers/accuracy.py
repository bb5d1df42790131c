"""Metric of a classifier: the share of rows that are right."""

from headgate.measure.metrics import accuracy
from headgate.measure.options import AtLeast
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, bounded, nothing


def _make(options: AtLeast) -> Scorer:
    def look(subject: Subject) -> Score:
        if not subject.rows:
            return nothing("accuracy", "prediction")
        value = accuracy([row[0] for row in subject.rows], [row[1] for row in subject.rows])
        return bounded("accuracy", value, options.at_least, f"over {len(subject.rows)} rows")

    return Look("accuracy", look)


plugin = ScorerPlugin(behaviour=1, options=AtLeast, make=_make, example=0.9)
