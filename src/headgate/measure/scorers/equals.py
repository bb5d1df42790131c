"""Assertion: the answer is exactly a text, or, written as a mapping or list, the same JSON."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged


class Options(BaseModel):
    """What the answer must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: Any = Field(description="the whole answer; space around it does not matter")


def _make(options: Options) -> Scorer:
    def look(subject: Subject) -> Score:
        passed = _same(options.value, subject.text)
        return judged(
            "equals", passed, "the answer is the expected one" if passed else f"the answer is not {options.value!r}"
        )

    return Look("equals", look)


def _same(wanted: Any, text: str) -> bool:
    if isinstance(wanted, str):
        return text.strip() == wanted.strip()
    try:
        return bool(json.loads(text) == wanted)
    except (ValueError, RecursionError):
        return False


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example="Yes.", whole=True)
