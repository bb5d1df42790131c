"""Injected instructions, by their wording, through disguises and encodings. Not a security boundary: see the docs."""

from __future__ import annotations

from pydantic import Field

from headgate.guard.guard import Check, Finding, GuardOptions, GuardPlugin
from headgate.measure import find_injection


class Options(GuardOptions):
    """From which score on a text counts as an injection."""

    threshold: float = Field(0.5, ge=0, le=1, description="0 … 1; lower catches more and stops more innocents")


def look(text: str, threshold: float = 0.5) -> Finding:
    """Score a text in all its canonical forms."""
    found = find_injection(text)
    return Finding(found.score >= threshold, found.score, found.family, found.rule)


plugin = GuardPlugin(
    behaviour=1,
    options=Options,
    make=lambda options: Check(lambda text: look(text, options.threshold), "answer"),
    example={"threshold": 0.5},
)
