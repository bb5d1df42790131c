"""The share of requests that ended in an error or the fallback template."""

from __future__ import annotations

from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, nothing

_COUNTED = ("error", "safe")


def look(subject: Subject) -> Score:
    """Return the share over a window of requests."""
    if not subject.records:
        return nothing("error-rate", "request")
    count = sum(record.status in _COUNTED for record in subject.records)
    return Score("error-rate", count / len(subject.records), explanation=f"{count} of {len(subject.records)} requests")


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=lambda _: Look("error-rate", look))
