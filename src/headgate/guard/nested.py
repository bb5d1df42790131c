"""All guards of one side over every text inside a JSON value: a message with its parts, tool calls and definitions.

Called by the request path for what clients send and models return beside plain text. Texts that belong together are
looked at together, so that nothing hides by being cut into pieces.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

from headgate.kernel import Verdict

from .checking import between_parts
from .guard import Guard, Side
from .inspect import Outcome, inspect

_MARKS = frozenset(
    {"role", "type", "id", "index", "tool_call_id", "call_id", "finish_reason", "native_finish_reason", "object"}
)
_MARK = re.compile(r"[A-Za-z0-9_$.:/+=|-]{0,256}")
"""Ids and the like are no text for a reader, unless they are too long to be one, or hold more than one word."""
_SEALED = frozenset({"signature", "encrypted_content", "thought_signature"})
"""One word too: base64."""
_TOLD = frozenset({"logprobs", "bytes"})
"""Of an answer only, whose log-probabilities are read by themselves."""
_MEDIA = frozenset({"image_url", "input_audio", "video_url", "file", "audio", "data"})
"""What guards cannot read. It is passed over only inside a part that says that it is this, or that is sealed data."""
_CARRIERS = frozenset({"url", "data", "file_data"})
"""Where media has its bytes or its link; what else it has, a file's name, is read, and so is a file that is text."""
_ODD = _MARKS | _SEALED | _TOLD | _MEDIA | _CARRIERS
_LONGEST = 64
_NAME = re.compile(r"[A-Za-z0-9_$.:/-]{1,64}")
"""Keys that are read are all others: a model is shown the names of properties in a schema."""
_WRITTEN = re.compile(r"data:(?:text/[\w.+-]+|application/json)(?:;[\w=.+-]+)*;base64,", re.IGNORECASE)
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
        texts = [value] if isinstance(value, str) else [text for text in _texts(value, self._side == "output") if text]
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
        return value if self.blocked is not None else _with(value, iter(pieces), self._side == "output")

    def _inspected(self, text: str) -> str | None:
        pause = between_parts.get()
        if pause is not None:
            pause()
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


def _texts(value: Any, told: bool, media: bool = False) -> Iterator[str]:
    """Yield every text in a value. told: whether it is an answer's. media: whether it is the inside of a part's."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, told)
    elif isinstance(value, dict):
        kind = value.get("type")
        for key, inner in value.items():
            if not (key.isidentifier() and key.isascii() and len(key) <= _LONGEST) and not _NAME.fullmatch(key):
                yield key
            way = _way(key, inner, kind, (told, media)) if key in _ODD else "read"
            if way == "read" and isinstance(inner, str):
                yield inner
            elif way == "link":
                yield from _decoded(inner)
            elif way != "leave" and isinstance(inner, dict | list):
                yield from _texts(inner, told, way == "media")


def _way(key: str, inner: Any, kind: Any, inside: tuple[bool, bool]) -> Literal["leave", "link", "media", "read"]:
    """Return what is done with a field: left alone, read as a link that may hold text, as the inside of a part that is
    no text, or as anything else. inside: whether it is an answer's, whether it is such an inside already."""
    told, media = inside
    if told and key in _TOLD:
        return "leave"
    if key in _MARKS:
        return "leave" if isinstance(inner, str) and _MARK.fullmatch(inner) else "read"
    word = _is_word(inner)
    if word and key in _SEALED:
        return "leave"
    if media and word and key in _CARRIERS:
        return "link"
    if key in _MEDIA and (key == kind or (key == "data" and kind == "redacted_thinking")):
        return "link" if word else "read" if isinstance(inner, str) else "media"
    return "read"


def _is_word(value: Any) -> bool:
    """Whether a value is one word: an id, a link, base64."""
    return isinstance(value, str) and " " not in value and value.isprintable()


def _decoded(link: str) -> Iterator[str]:
    """Yield the text that a data URL of a written type holds."""
    if found := _WRITTEN.match(link):
        with suppress(ValueError):
            yield base64.b64decode(link[found.end() :]).decode("utf-8")


def _encoded(link: str, pieces: Iterator[str]) -> str:
    for text in _decoded(link):
        piece = next(pieces) if text else text
        if piece != text:
            return link[: link.index(",") + 1] + base64.b64encode(piece.encode()).decode()
    return link


def _with(value: Any, pieces: Iterator[str], told: bool, media: bool = False) -> Any:
    """Return the value with its texts replaced, in the order in which `_texts` gave them; empty ones stay."""
    if isinstance(value, str):
        return next(pieces) if value else value
    if isinstance(value, list):
        return [_with(inner, pieces, told) for inner in value]
    if not isinstance(value, dict):
        return value
    kind, found = value.get("type"), {}
    for key, inner in value.items():
        name = key if not key or _NAME.fullmatch(key) else next(pieces)
        way = _way(key, inner, kind, (told, media)) if key in _ODD else "read"
        if way == "link":
            found[name] = _encoded(inner, pieces)
        else:
            found[name] = inner if way == "leave" else _with(inner, pieces, told, way == "media")
    return found
