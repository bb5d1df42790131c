"""The answer matches a regular expression somewhere. Expressions that could take exponential time are refused."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged

_NESTED = re.compile(r"\((?:[^()\\]|\\.)*(?:[+*]|\{\d+,\d*\})(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,\d*\})")
_MOST_TEXT = 20_000


class Options(BaseModel):
    """The expression, in Python's syntax."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pattern: str = Field(max_length=500, description="the expression")

    @field_validator("pattern")
    @classmethod
    def _safe(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as problem:
            raise ValueError(f"{pattern!r} is no regular expression: {problem}") from None
        if _NESTED.search(pattern) or re.search(r"\\\d|\(\?P=", pattern):
            raise ValueError(f"{pattern!r} repeats a repetition or refers back, which can take for ever")
        return pattern


def _make(options: Options) -> Look:
    compiled = re.compile(options.pattern)

    def look(subject: Subject) -> Score:
        found = compiled.search(subject.text[:_MOST_TEXT]) is not None
        return judged("regex", found, "" if found else f"nothing matches {options.pattern!r}")

    return Look("regex", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example=r"\d+ days")
