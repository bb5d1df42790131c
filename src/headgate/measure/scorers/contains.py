"""The answer holds a text, every letter as written; of several texts, all of them."""

from __future__ import annotations

from headgate.measure.options import ManyTexts
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged


def _make(options: ManyTexts) -> Look:
    def look(subject: Subject) -> Score:
        lacking = [text for text in options.value if text not in subject.text]
        return judged("contains", not lacking, f"it does not contain {lacking[0]!r}" if lacking else "")

    return Look("contains", look)


plugin = ScorerPlugin(behaviour=1, options=ManyTexts, make=_make, example="30 days")
