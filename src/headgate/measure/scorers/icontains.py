"""The answer holds a text, whatever the case of its letters; of several texts, all of them."""

from __future__ import annotations

from headgate.measure.options import ManyTexts
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged


def _make(options: ManyTexts) -> Look:
    def look(subject: Subject) -> Score:
        answer = subject.text.casefold()
        lacking = [text for text in options.value if text.casefold() not in answer]
        return judged("icontains", not lacking, f"it does not contain {lacking[0]!r}" if lacking else "")

    return Look("icontains", look)


plugin = ScorerPlugin(behaviour=1, options=ManyTexts, make=_make, example="30 days")
