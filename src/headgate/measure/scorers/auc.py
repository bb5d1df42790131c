"""The area under the ROC curve: how often a row of a class is scored above a row of another. Ties count half."""

from __future__ import annotations

from headgate.kernel import InvalidInput
from headgate.measure.metrics import auc
from headgate.measure.options import AtLeast
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, bounded, nothing


def _make(options: AtLeast) -> Look:
    def look(subject: Subject) -> Score:
        if not subject.rows:
            return nothing("auc", "prediction")
        try:
            value = auc([row[0] for row in subject.rows], [row[2] for row in subject.rows])
        except InvalidInput as problem:
            return Score("auc", 0.0, "error", problem.message)
        return bounded("auc", value, options.at_least, f"over {len(subject.rows)} rows")

    return Look("auc", look)


plugin = ScorerPlugin(behaviour=1, options=AtLeast, make=_make, example=0.9)
