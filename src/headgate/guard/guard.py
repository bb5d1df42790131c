"""The nouns of guarding: what a guard found, what checks, what a plugin declares, and a guard as it is compiled.

Used by `inspect`, `stream`, `policy` and every file in `guards/`. It checks nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import PromptPath
from headgate.measure import Found

from .memory import Memory

Action = Literal["block", "mask", "flag"]
Mode = Literal["enforce", "observe"]
Side = Literal["input", "output"]
Unit = Literal["answer", "sentence"] | int
"""What a stream holds back until it has passed: the whole answer, a sentence, or so many letters and digits."""


class Finding(Struct, frozen=True, gc=False):
    """What a guard found in one text. A guard that can mask gives `spans` (what to replace, and by which name) or the
    whole masked `text`; with spans it can mask inside a stream, with a text only the answer is held until it is whole.

    label and explanation are stored with traces: they name kinds, never what was found.
    """

    hit: bool
    value: float = 0.0
    label: str = ""
    explanation: str = ""
    text: str | None = None
    spans: tuple[Found, ...] = ()


NOTHING = Finding(False)
"""What a guard says of a text in which there is nothing: built-in guards return this very object."""


class Checker(Protocol):
    """Looks at one text; pure, and safe to call from several threads."""

    def check(self, text: str) -> Finding: ...


class GuardOptions(BaseModel):
    """What every guard can be told; a guard's own options model adds to these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action = Field(default="block", description="block the text, mask what was found, or only flag it")
    mode: Mode = Field(
        default="enforce",
        description="enforce, or observe: record what would have happened and change nothing",
    )
    reply: PromptPath | None = Field(default=None, description="the prompt whose text is sent when this guard blocks")


@dataclass(frozen=True, slots=True)
class GuardPlugin:
    """What a file in `guards/` declares as `plugin`.

    options: a subclass of GuardOptions. make: options -> checker. unit: what a stream holds back, unless the checker
    has a `unit` of its own. example: options as people write them, used by docs and the conformance suite.
    """

    behaviour: int
    options: type[GuardOptions]
    make: Callable[[Any], Checker]
    unit: Unit
    example: Any = None


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard of a policy, compiled. `trusted`: built in, so it runs in place; others get a thread and a limit.

    name: the type, `pii`; `pii (2)` for a second one of the type on the same side. kind: the type. memory: what a
    built-in guard has looked at before.
    """

    name: str
    checker: Checker
    action: Action
    mode: Mode
    unit: Unit
    reply: str | None = None
    trusted: bool = True
    memory: Memory | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        return self.name.partition(" (")[0]
