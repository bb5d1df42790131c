"""Signal of a window of requests: the time that 95 of 100 keep, in seconds."""

import math

from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, nothing


def _look(subject: Subject) -> Score:
    if not subject.records:
        return nothing("latency-p95", "request")
    ordered = sorted(record.latency_us for record in subject.records)
    value = ordered[math.ceil(0.95 * len(ordered)) - 1] / 1e6
    return Score("latency-p95", value, explanation=f"{value:.3f} s over {len(ordered)} requests")


def _make(_: Nothing) -> Scorer:
    return Look("latency-p95", _look)


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=_make)
