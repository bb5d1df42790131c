"""Assertion: the answer's sentences stand on its sources; the value is the share that does."""

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Share
from headgate.measure.grounding import SUPPORTED, ground
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged


class Options(BaseModel):
    """How much of the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_least: Share = Field(default=0.6, description="the share of sentences that a source must support")


def _make(options: Options) -> Scorer:
    def look(subject: Subject) -> Score:
        known = subject.answer.grounding if subject.answer else None
        found = known or ground(subject.text, subject.passages)
        weak = [sentence for sentence, support, _ in found.sentences if support < SUPPORTED]
        told = f"{found.value:.0%} of the sentences stand on a source"
        if weak:
            told += f"; not this: {weak[0][:160]}"
        return judged("grounded", found.value >= options.at_least, told, found.value)

    return Look("grounded", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example=0.7)
