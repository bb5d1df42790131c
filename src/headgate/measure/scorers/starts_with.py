"""Assertion: the answer begins with a text."""

from headgate.measure.options import OneText
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged


def _make(options: OneText) -> Scorer:
    def look(subject: Subject) -> Score:
        passed = subject.text.lstrip().startswith(options.value)
        return judged(
            "starts-with", passed, f"the answer {'begins' if passed else 'does not begin'} with {options.value!r}"
        )

    return Look("starts-with", look)


plugin = ScorerPlugin(behaviour=1, options=OneText, make=_make, example="Hello")
