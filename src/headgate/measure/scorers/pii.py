"""The text holds personal data: e-mail addresses, phone numbers, payment cards, IBANs …"""

from __future__ import annotations

from headgate.measure.detect import find_pii
from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged


def look(subject: Subject) -> Score:
    """Count what is found; the expectation is that something is (write `not-pii` for the opposite)."""
    found = find_pii(subject.text)
    kinds = ", ".join(sorted({part.type for part in found}))
    return judged("pii", bool(found), kinds, float(len(found)), kinds)


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=lambda _: Look("pii", look))
