"""The time in seconds within which 95 % of a window's requests were answered."""

from __future__ import annotations

from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, nothing


def look(subject: Subject) -> Score:
    """Return the quantile (nearest rank) over a window of requests."""
    if not subject.records:
        return nothing("latency-p95", "request")
    times = sorted(record.latency_us for record in subject.records)
    value = times[min(len(times) - 1, int(0.95 * len(times)))] / 1e6
    return Score("latency-p95", value, explanation=f"over {len(times)} requests")


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=lambda _: Look("latency-p95", look))
