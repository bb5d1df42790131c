"""Assertion: the answer cost no more than an amount; the value is in USD."""

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Usd, units
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged, nothing


class Options(BaseModel):
    """The highest cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_most: Usd = Field(description="the highest cost of one request, as $0.004")


def _make(options: Options) -> Scorer:
    def look(subject: Subject) -> Score:
        if subject.answer is None:
            return nothing("cost", "answer")
        spent = subject.answer.cost_nano
        told = f"the answer cost ${units.usd(spent)}, ${units.usd(options.at_most)} at most are expected"
        return judged("cost", spent <= options.at_most, told, spent / units.NANO)

    return Look("cost", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example="$0.004")
