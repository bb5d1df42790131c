"""Detector as assertion: the text reads like injected instructions (`not-injection`: it does not); value 0 … 1."""

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Share
from headgate.measure.detect import find_injection
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged


class Options(BaseModel):
    """From which score on."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_least: Share = Field(default=0.5, description="the score from which a text is called an injection")


def _make(options: Options) -> Scorer:
    def look(subject: Subject) -> Score:
        found = find_injection(subject.text)
        told = f"rule {found.rule} ({found.family})" if found.rule else "no rule fits"
        return judged("injection", found.score >= options.at_least, told, found.score, found.rule)

    return Look("injection", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example=0.5)
