"""What a guard is: a detector with a threshold, an action and a mode. Files in `guards/` declare one each as `plugin`.

Called by the policy's parser and compiler. A guard looks at text and says what it found; `inspect` acts on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from headgate.kernel import PromptPath

Action = Literal["block", "mask", "flag"]
Mode = Literal["enforce", "observe"]
Unit = Literal["answer", "sentence"] | int
"""How much text a guard must see before any of it may leave: the answer, a sentence, or so many characters."""


class GuardOptions(BaseModel):
    """What every guard in a policy may say; each file's options add their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    action: Action = "block"
    mode: Mode = "enforce"
    reply: PromptPath | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a guard found in a text: `text` is the masked text, for guards that can mask."""

    hit: bool
    value: float = 0.0
    label: str = ""
    explanation: str = ""
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What a plugin makes of its options: how to look, and how much text must be seen before any of it leaves."""

    look: Callable[[str], Finding]
    unit: Unit = "sentence"


@dataclass(frozen=True, slots=True)
class GuardPlugin:
    """What a file in `guards/` declares. masks: whether findings carry masked text. example: options that work."""

    behaviour: int
    options: type[GuardOptions]
    make: Callable[[Any], Check]
    masks: bool = False
    example: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard of a compiled policy. trusted: whether its code is ours; a stranger's runs with a time limit."""

    name: str
    look: Callable[[str], Finding]
    action: Action = "block"
    mode: Mode = "enforce"
    unit: Unit = "sentence"
    reply: str | None = None
    trusted: bool = True

    def check(self, text: str) -> Finding:
        """Say what is in a text. May raise whatever the guard's own code raises."""
        return self.look(text)
