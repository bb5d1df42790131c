"""The nouns of looking: what is looked at, what is said of it, and what a scorer plugin is.

Used by guards, assertions, gates and monitors alike. It computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from headgate.kernel import Answer, Passage, RequestRecord

Row = tuple[str, str, Mapping[str, float], Mapping[str, str]]
"""One prediction: truth, predicted label, confidence by label, values of the segment columns."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a scorer says. `passed` is the expectation's verdict, None when nothing was expected or it cannot tell.

    `label` is `error` when there was nothing to look at; then nothing is claimed.
    """

    name: str
    value: float
    label: str = ""
    explanation: str = ""
    cost_nano: int = 0
    passed: bool | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: a text, an answer with its question and sources, a window of records, or predictions."""

    text: str = ""
    question: str = ""
    answer: Answer | None = None
    passages: tuple[Passage, ...] = ()
    records: Sequence[RequestRecord] = ()
    rows: Sequence[Row] = ()


class Scorer(Protocol):
    """Looks at a subject; deterministic, and never raises because of what a text says."""

    @property
    def name(self) -> str: ...

    def look(self, subject: Subject) -> Score: ...


@dataclass(frozen=True, slots=True)
class Look:
    """A scorer made of a name and a function."""

    name: str
    function: Callable[[Subject], Score]

    def look(self, subject: Subject) -> Score:
        return self.function(subject)


@dataclass(frozen=True, slots=True)
class ScorerPlugin:
    """What a file in `scorers/` declares as `plugin`.

    options: its model; a value written plainly (`contains: "x"`) is its first field. make: options -> scorer.
    example: a value as people write it, used by docs and the conformance suite. whole: the value is always the first
    field, even when it is a mapping (a JSON Schema).
    """

    behaviour: int
    options: type[BaseModel]
    make: Callable[[Any], Scorer]
    example: Any = None
    whole: bool = False


def judged(name: str, passed: bool, explanation: str, value: float | None = None, label: str = "") -> Score:
    """Return the score of an expectation that can be decided: 1 when it holds, 0 when not, unless a value is given."""
    return Score(name, float(passed) if value is None else value, label, explanation, passed=passed)


def nothing(name: str, what: str) -> Score:
    """Return the score of a scorer that was given nothing to look at."""
    return Score(name, 0.0, "error", f"there is no {what} to look at")


def bounded(name: str, value: float, at_least: float | None, explanation: str, label: str = "") -> Score:
    """Return a measured value, judged when a bound was given."""
    return Score(name, value, label, explanation, passed=None if at_least is None else value >= at_least)
