"""The whole answer took no longer than so long (`2s`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Duration
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged, nothing


class Options(BaseModel):
    """The longest time."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_most: Duration = Field(description="for example 2s")


def _make(options: Options) -> Look:
    def look(subject: Subject) -> Score:
        if subject.answer is None:
            return nothing("latency", "answer")
        took = subject.answer.latency_us
        return judged("latency", took <= options.at_most, f"it took {took / 1000:.0f} ms", took / 1e6)

    return Look("latency", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example="2s")
