"""The request took a route (`default`, `smalltalk`, `high_risk` …)."""

from __future__ import annotations

from headgate.measure.options import ManyTexts
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged, nothing


def _make(options: ManyTexts) -> Look:
    def look(subject: Subject) -> Score:
        if subject.answer is None:
            return nothing("routes-to", "answer")
        route = subject.answer.route
        found = route in options.value
        return judged(
            "routes-to", found, "" if found else f"it took {route or 'no route'} (label {subject.answer.label})"
        )

    return Look("routes-to", look)


plugin = ScorerPlugin(behaviour=1, options=ManyTexts, make=_make, example="high_risk")
