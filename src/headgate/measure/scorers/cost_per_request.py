"""Mean cost in USD of a window's requests."""

from __future__ import annotations

from headgate.kernel import units
from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, nothing


def look(subject: Subject) -> Score:
    """Return the mean over a window of requests."""
    if not subject.records:
        return nothing("cost-per-request", "request")
    total = sum(record.cost_nano for record in subject.records)
    return Score(
        "cost-per-request", total / len(subject.records) / units.NANO, explanation=f"${units.usd(total)} in all"
    )


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=lambda _: Look("cost-per-request", look))
