"""Signal of a window of requests: mean cost of one, in USD."""

from headgate.kernel import units
from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, nothing


def _look(subject: Subject) -> Score:
    if not subject.records:
        return nothing("cost-per-request", "request")
    value = sum(record.cost_nano for record in subject.records) / len(subject.records) / units.NANO
    return Score("cost-per-request", value, explanation=f"${value:.6f} over {len(subject.records)} requests")


def _make(_: Nothing) -> Scorer:
    return Look("cost-per-request", _look)


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=_make)
