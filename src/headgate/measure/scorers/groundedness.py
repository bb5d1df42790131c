"""Signal of a window of requests: mean grounding of the answers for which it was measured."""

from headgate.measure.options import Nothing
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, nothing


def _look(subject: Subject) -> Score:
    values = [record.grounding for record in subject.records if record.grounding is not None]
    if not values:
        return nothing("groundedness", "answer with sources")
    return Score("groundedness", sum(values) / len(values), explanation=f"over {len(values)} answers with sources")


def _make(_: Nothing) -> Scorer:
    return Look("groundedness", _look)


plugin = ScorerPlugin(behaviour=1, options=Nothing, make=_make)
