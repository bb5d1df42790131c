"""Mean grounding of the answers in a window of requests that were held against sources."""

from __future__ import annotations

from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, nothing


def look(subject: Subject) -> Score:
    """Return the mean over a window of requests."""
    values = [record.grounding for record in subject.records if record.grounding is not None]
    if not values:
        return nothing("groundedness", "grounded answer")
    return Score("groundedness", sum(values) / len(values), explanation=f"over {len(values)} answers")


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=lambda _: Look("groundedness", look))
