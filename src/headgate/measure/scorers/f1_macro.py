"""F1 of every class, averaged without weights: a rare class counts as much as a frequent one."""

from __future__ import annotations

from headgate.measure.metrics import macro
from headgate.measure.options import AtLeast
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, bounded, nothing


def _make(options: AtLeast) -> Look:
    def look(subject: Subject) -> Score:
        if not subject.rows:
            return nothing("f1-macro", "prediction")
        value = macro([row[0] for row in subject.rows], [row[1] for row in subject.rows], "f1")
        return bounded("f1-macro", value, options.at_least, f"over {len(subject.rows)} rows")

    return Look("f1-macro", look)


plugin = ScorerPlugin(behaviour=1, options=AtLeast, make=_make, example=0.9)
