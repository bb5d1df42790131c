"""Detector as assertion: the answer holds personal data (`not-pii`: it holds none); the value counts the findings."""

from pydantic import BaseModel, ConfigDict, Field

from headgate.measure.detect import PII_TYPES, find_pii
from headgate.measure.options import Texts
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged


class Options(BaseModel):
    """Which kinds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    types: Texts = Field(default=PII_TYPES, description="which of EMAIL, PHONE, CARD, IBAN, SSN, IP count")


def _make(options: Options) -> Scorer:
    def look(subject: Subject) -> Score:
        found = find_pii(subject.text, options.types)
        names = sorted({part.type for part in found})
        return judged("pii", bool(found), f"found {', '.join(names) or 'nothing'}", float(len(found)), ", ".join(names))

    return Look("pii", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example=["EMAIL"])
