"""The answer cites a page (`corpus/device-returns`), or any page of a list."""

from __future__ import annotations

from headgate.measure.options import ManyTexts
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged, nothing


def _make(options: ManyTexts) -> Look:
    def look(subject: Subject) -> Score:
        if subject.answer is None:
            return nothing("cites", "answer")
        cited = subject.answer.citations
        found = any(page in cited for page in options.value)
        return judged("cites", found, "" if found else f"it cites {', '.join(cited) or 'nothing'}")

    return Look("cites", look)


plugin = ScorerPlugin(behaviour=1, options=ManyTexts, make=_make, example="corpus/device-returns")
