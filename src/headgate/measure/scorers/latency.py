"""Assertion: the whole answer came in time; the value is in seconds."""

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Duration, units
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged, nothing


class Options(BaseModel):
    """The longest time."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_most: Duration = Field(description="the longest time from question to whole answer, as 2s or 800ms")


def _make(options: Options) -> Scorer:
    def look(subject: Subject) -> Score:
        if subject.answer is None:
            return nothing("latency", "answer")
        took = subject.answer.latency_us
        told = f"the answer took {took / 1e6:.3f} s, {units.duration(options.at_most)} at most are expected"
        return judged("latency", took <= options.at_most, told, took / 1e6)

    return Look("latency", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example="2s")
