"""The answer cost no more than so much (`$0.004`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Usd, units
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged, nothing


class Options(BaseModel):
    """The highest cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_most: Usd = Field(description="for example $0.004")


def _make(options: Options) -> Look:
    def look(subject: Subject) -> Score:
        if subject.answer is None:
            return nothing("cost", "answer")
        cost = subject.answer.cost_nano
        return judged("cost", cost <= options.at_most, f"it cost ${units.usd(cost)}", cost / units.NANO)

    return Look("cost", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example="$0.004")
