"""The text reads like injected instructions; a value sets the bar (0.5)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Share
from headgate.measure.detect import find_injection
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged


class Options(BaseModel):
    """From which score on it counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_least: Share = Field(0.5, description="0 … 1")


def _make(options: Options) -> Look:
    def look(subject: Subject) -> Score:
        found = find_injection(subject.text)
        return judged("injection", found.score >= options.at_least, found.rule, found.score, found.family)

    return Look("injection", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example=0.5)
