"""Every sentence stands on the sources, by the words and numbers that they share; a value sets the bar (0.6)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Share
from headgate.measure.grounding import ground
from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged


class Options(BaseModel):
    """From which grounding on the expectation holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_least: Share = Field(0.6, description="0 … 1")


def _make(options: Options) -> Look:
    def look(subject: Subject) -> Score:
        passages = subject.passages or (subject.answer.passages if subject.answer else ())
        known = subject.answer.grounding if subject.answer else None
        found = known or ground(subject.text, passages)
        weakest = min(found.sentences, key=lambda item: item[1], default=None)
        said = "" if weakest is None else f"the weakest sentence has {weakest[1]:.2f}: {weakest[0][:120]}"
        return judged("grounded", found.value >= options.at_least, said, found.value)

    return Look("grounded", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example=0.7)
