"""Signal of a window of requests: the share that ended in an error or the fallback template."""

from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, nothing

_FAILED = ("error", "safe")


def _look(subject: Subject) -> Score:
    if not subject.records:
        return nothing("error-rate", "request")
    failed = sum(record.status in _FAILED for record in subject.records)
    return Score(
        "error-rate", failed / len(subject.records), explanation=f"{failed} of {len(subject.records)} requests failed"
    )


def _make(_: Nothing) -> Scorer:
    return Look("error-rate", _look)


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=_make)
