"""The text holds a secret: a key, token or password in a published format."""

from __future__ import annotations

from headgate.measure.detect import find_secrets
from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged


def look(subject: Subject) -> Score:
    """Count what is found; the expectation is that something is (write `not-secrets` for the opposite)."""
    found = find_secrets(subject.text)
    kinds = ", ".join(sorted({part.type for part in found}))
    return judged("secrets", bool(found), kinds, float(len(found)), kinds)


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=lambda _: Look("secrets", look))
