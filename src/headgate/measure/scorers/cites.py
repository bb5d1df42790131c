"""Assertion: the answer cites a page, or one of several."""

from pydantic import BaseModel, ConfigDict, Field

from headgate.measure.options import Texts
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged, nothing


class Options(BaseModel):
    """The page."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: Texts = Field(
        description="a page as the project names it (corpus/returns), or several of which one is enough"
    )


def _make(options: Options) -> Scorer:
    def look(subject: Subject) -> Score:
        if subject.answer is None:
            return nothing("cites", "answer")
        cited = subject.answer.citations
        passed = any(source in cited for source in options.source)
        told = f"the answer cites {', '.join(cited) or 'nothing'}"
        return judged("cites", passed, told if passed else f"{told}, not {' or '.join(options.source)}")

    return Look("cites", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example="corpus/returns")
