"""The answer is a text, white space at its ends aside."""

from __future__ import annotations

from headgate.measure.options import OneText
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged


def _make(options: OneText) -> Look:
    def look(subject: Subject) -> Score:
        same = subject.text.strip() == options.value.strip()
        return judged("equals", same, "" if same else f"it is {subject.text.strip()[:80]!r}")

    return Look("equals", look)


plugin = ScorerPlugin(behaviour=1, options=OneText, make=_make, example="yes")
