"""All guards of one side over every text inside a JSON value: a message with its parts, tool calls and definitions.

Called by the request path for what clients send and models return beside plain text. Texts that belong together are
looked at together, so that nothing hides by being cut into pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headgate.kernel import Verdict

from .guard import Guard, Side
from .inspect import Outcome, inspect

_MARKS = frozenset(
    {"role", "type", "id", "index", "tool_call_id", "call_id", "finish_reason", "native_finish_reason", "object"}
)
_MARK_SIZE = 256
"""Ids and the like are no text for a reader, unless they are too long to be one."""
_SEALED = frozenset({"signature", "encrypted_content", "thought_signature", "logprobs", "bytes", "cache_control"})
_MEDIA = frozenset({"image_url", "input_audio", "video_url", "file", "audio", "data"})
"""What guards cannot read. It is passed over only inside a part that says that it is this, or that is sealed data."""
_BETWEEN = "\n\x1e\n"
_GRAVITY = {"skipped": 0, "pass": 1, "error_allowed": 2, "mask": 3, "error_blocked": 4, "block": 5}


class Nested:
    """Looks at values one after another; afterwards it has the gravest verdict of each guard, and what blocked."""

    __slots__ = ("_guards", "_side", "blocked", "verdicts")

    def __init__(self, guards: Sequence[Guard], side: Side) -> None:
        self._guards, self._side = guards, side
        self.verdicts: dict[str, Verdict] = {}
        self.blocked: Outcome | None = None

    def look(self, value: Any) -> Any:
        """Return the value with its texts masked, itself when nothing was; stop using it once `blocked` is set."""
        if not value or not self._guards or self.blocked is not None:
            return value
        texts = [value] if isinstance(value, str) else [text for text in _texts(value) if text]
        if not texts:
            return value
        whole = texts[0] if len(texts) == 1 else _BETWEEN.join(texts)
        passed = self._inspected(whole)
        if passed is None or passed == whole:
            return value
        if value is whole:
            return passed
        pieces = [passed] if len(texts) == 1 else passed.split(_BETWEEN)
        if len(pieces) != len(texts):
            # What was masked reached from one text into the next, or a text holds the mark: each by itself, then.
            pieces = [text if (piece := self._inspected(text)) is None else piece for text in texts]
        return value if self.blocked is not None else _with(value, iter(pieces))

    def _inspected(self, text: str) -> str | None:
        outcome = inspect(self._guards, text, self._side)
        for verdict in outcome.verdicts:
            held = self.verdicts.get(verdict.guard)
            if held is None or _GRAVITY[verdict.verdict] > _GRAVITY[held.verdict]:
                self.verdicts[verdict.guard] = verdict
        if outcome.blocked is not None:
            self.blocked = outcome
            return None
        return outcome.text


def gravest(first: Sequence[Verdict], second: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Return one verdict of each guard on each side, the gravest of the two."""
    found = {(verdict.side, verdict.guard): verdict for verdict in first}
    for verdict in second:
        held = found.get((verdict.side, verdict.guard))
        if held is None or _GRAVITY[verdict.verdict] > _GRAVITY[held.verdict]:
            found[verdict.side, verdict.guard] = verdict
    return tuple(found.values())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        kind = value.get("type")
        for key, inner in value.items():
            if isinstance(inner, str | dict | list) and not _passed_over(key, inner, kind):
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, str | dict | list):
                yield from _texts(inner)


def _passed_over(key: str, inner: Any, kind: Any) -> bool:
    if key in _MARKS:
        return isinstance(inner, str) and len(inner) <= _MARK_SIZE
    return key in _SEALED or (key in _MEDIA and (key == kind or (key == "data" and kind == "redacted_thinking")))


def _with(value: Any, pieces: Iterator[str]) -> Any:
    """Return the value with its texts replaced, in the order in which `_texts` gave them; empty ones stay."""
    if isinstance(value, str):
        return next(pieces) if value else value
    if isinstance(value, dict):
        kind = value.get("type")
        return {key: inner if _passed_over(key, inner, kind) else _with(inner, pieces) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with(inner, pieces) for inner in value]
    return value
