"""Signal of a window of requests: the share that the app refused or a guard blocked."""

from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, nothing

_REFUSED = ("refused", "blocked")


def _look(subject: Subject) -> Score:
    if not subject.records:
        return nothing("refusals", "request")
    refused = sum(record.status in _REFUSED for record in subject.records)
    told = f"{refused} of {len(subject.records)} requests were refused or blocked"
    return Score("refusals", refused / len(subject.records), explanation=told)


def _make(_: Nothing) -> Scorer:
    return Look("refusals", _look)


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=_make)
