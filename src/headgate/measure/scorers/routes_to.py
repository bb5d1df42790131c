"""Assertion: the request took a route."""

from pydantic import BaseModel, ConfigDict, Field

from headgate.measure.options import Texts
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged, nothing


class Options(BaseModel):
    """The route."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    route: Texts = Field(description="a route of the app (high_risk), or several of which one is enough")


def _make(options: Options) -> Scorer:
    def look(subject: Subject) -> Score:
        if subject.answer is None:
            return nothing("routes-to", "answer")
        took = subject.answer.route
        intent = f" (intent {subject.answer.label})" if subject.answer.label not in ("", took) else ""
        told = f"the request took {f'the route {took}' if took else 'no route'}{intent}"
        passed = took in options.route
        return judged("routes-to", passed, told if passed else f"{told}, not {' or '.join(options.route)}")

    return Look("routes-to", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example="high_risk")
