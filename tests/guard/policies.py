"""Guards and streams for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from headgate.guard import Finding, Guard, Outcome, OutputStream, Policy, compile_policy


def policy(*output: dict[str, Any]) -> Policy:
    return compile_policy({"output": list(output)})


def stream(policy: Policy, pieces: Iterable[str]) -> tuple[str, Outcome]:
    """Feed pieces until a guard blocks, as the request path does; return what left and the end."""
    gate = OutputStream(policy)
    left = []
    for piece in pieces:
        left.append(gate.feed(piece))
        if gate.blocked:
            break
    end = gate.finish()
    return "".join(left) + end.text, end


def pieces(text: str, *sizes: int) -> list[str]:
    found, at, turn = [], 0, 0
    while at < len(text):
        found.append(text[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    return found


@dataclass
class Says:
    """A checker that does what it is told."""

    answer: Any = field(default_factory=lambda: Finding(False))

    def check(self, text: str) -> Finding:
        if isinstance(self.answer, BaseException):
            raise self.answer
        found = self.answer(text) if callable(self.answer) else self.answer
        return found  # type: ignore[no-any-return]


def guard(answer: Any, **changes: Any) -> Guard:
    known: dict[str, Any] = {"name": "made", "action": "block", "mode": "enforce", "unit": 32}
    return Guard(checker=Says(answer), **{**known, **changes})
