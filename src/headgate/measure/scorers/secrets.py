"""Detector as assertion: the answer holds a key, token or password (`not-secrets`: none); the value counts them."""

from headgate.measure.detect import find_secrets
from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged


def _look(subject: Subject) -> Score:
    found = find_secrets(subject.text)
    names = sorted({part.type for part in found})
    return judged("secrets", bool(found), f"found {', '.join(names) or 'nothing'}", float(len(found)), ", ".join(names))


def _make(_: Nothing) -> Scorer:
    return Look("secrets", _look)


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=_make)
