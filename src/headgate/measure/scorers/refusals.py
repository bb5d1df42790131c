"""The share of requests that the app refused or a guard blocked."""

from __future__ import annotations

from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, nothing

_COUNTED = ("refused", "blocked")


def look(subject: Subject) -> Score:
    """Return the share over a window of requests."""
    if not subject.records:
        return nothing("refusals", "request")
    count = sum(record.status in _COUNTED for record in subject.records)
    return Score("refusals", count / len(subject.records), explanation=f"{count} of {len(subject.records)} requests")


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=lambda _: Look("refusals", look))
