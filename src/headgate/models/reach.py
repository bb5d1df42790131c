"""How far one call can go: the most tokens that its body lets it be given, and get, and what makes them dear.

Called by `prices` (what they can cost), by `serve` (to reserve) and by wires (the output limit that they send). It
reads bodies, knows no prices, and never asks the network.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

MAX_OUTPUT_TOKENS = 4096
"""The most output tokens of a call that names no limit; providers send it, so that a bound is one."""

_UNSEEN = 1_000
"""What a server tells its model beside the body: words of its template, and how a format is kept."""
_TOOLS = 1_000
"""What Anthropic tells a model about using tools, whatever these are: 159 to 804 tokens, by model."""
_PICTURE = 50_000
"""More than any picture is: 48 169 for gpt-4o-mini, 16 384 for Qwen-VL, 4 784 for Claude."""
_AUDIO_BYTES = 1_000
"""The fewest bytes of a second of MP3, and of WAV as we take it; models make 10 to 50 tokens of a second."""
_LIMIT_KEYS = ("max_completion_tokens", "max_tokens")
_COUNTED = frozenset({"text", "refusal", "thinking", "redacted_thinking"})
_PLAIN = frozenset(
    {
        "messages", "model", "stream", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed",
        "n", "presence_penalty", "frequency_penalty", "reasoning_effort",
    }
)  # fmt: skip
"""Fields that are no more than their bytes; a body that has no others needs no closer look."""
_FILMS = ("youtube.com", "youtu.be", "googleapis.com", "gs://")
"""Places that Gemini reads whatever they hold, pictures or not."""
_MP3 = ("SUQz", "//", "/+")
_WAV = "UklGR"
_SAMPLES = frozenset({1, 3, 6, 7, 0xFFFE})
_encode = msgspec.json.Encoder().encode


class Reach(Struct, frozen=True, gc=False):
    """The most that one call can use. given: tokens of text and pictures; heard: of audio; got: of all its choices.

    forms: what it may answer in beside text (`audio`, `image`). hour: it may write to a cache that is kept an hour.
    whole: what of its body no bytes bound, so that only what the model takes does; empty if there is nothing such.
    """

    given: int
    got: int
    choices: int = 1
    heard: int = 0
    forms: tuple[str, ...] = ()
    hour: bool = False
    whole: str = ""

    def shorter(self, less: int) -> Reach:
        """Return how far it goes when each choice may be so many tokens shorter."""
        return replace(self, got=self.got - less * self.choices)

    def tokens(self, context: int | None) -> int | None:
        """Return the most tokens, given and got, by a model that takes `context`; None when it must be known."""
        if not self.whole:
            return self.given + self.heard + self.got
        return None if context is None else max(context, self.given + self.heard) + self.got


def reach_of(body: Mapping[str, Any]) -> Reach:
    """Return how far a call with `body` can go.

    A token is at least one byte, so bytes bound what is text; a picture counts as 50 000 tokens, audio as 100 for each
    second that its bytes can last; a prediction as output beside the answer. What else there is beside text is `whole`.
    The trap: it holds for providers that send the limit of `output_limit`, as ours do.
    """
    encoded = _encode(body)
    given, got, choices = len(encoded) + _UNSEEN, output_limit(body), body.get("n")
    choices = choices if isinstance(choices, int) and choices > 1 else 1
    plain = _PLAIN.issuperset(body)
    for message in body.get("messages") or ():
        if not (isinstance(message, dict) and len(message) == 2 and isinstance(message.get("content"), str)):
            plain = False
            break
    return Reach(given, got * choices, choices) if plain else _looked_at(body, encoded, Reach(given, got, choices))


def _looked_at(body: Mapping[str, Any], encoded: bytes, plain: Reach) -> Reach:
    """Return how far a call goes that holds more than plain messages and numbers."""
    given, got, heard, whole = plain.given, plain.got, 0, ""
    for message in body.get("messages") or ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") == "text":
                continue
            more, sound, name = _beside_text(part)
            given, heard, whole = given + more, heard + sound, whole or name
    if "tools" in body or "functions" in body:
        given += _TOOLS
    if "prediction" in body:
        got += len(_encode(body["prediction"]))
    whole = whole or _said_before(body)
    return Reach(given, got * plain.choices, plain.choices, heard, _forms(body), b'"1h"' in encoded, whole)


def output_limit(body: Mapping[str, Any]) -> int:
    """Return the output tokens that a body allows: its own limit, or MAX_OUTPUT_TOKENS when it names none."""
    most = 0
    for key in _LIMIT_KEYS:
        value = body.get(key)
        if isinstance(value, int) and value > most:
            most = value
    return most or MAX_OUTPUT_TOKENS


def _forms(body: Mapping[str, Any]) -> tuple[str, ...]:
    asked = body.get("modalities")
    found = {form for form in asked if isinstance(form, str)} if isinstance(asked, list) else set()
    if body.get("audio"):
        found.add("audio")
    return tuple(sorted(found - {"text"}))


def _said_before(body: Mapping[str, Any]) -> str:
    """Name what the provider keeps of an earlier answer, if the conversation points to it."""
    messages = body.get("messages") or ()
    return "an earlier spoken answer" if any(isinstance(one, dict) and one.get("audio") for one in messages) else ""


def _beside_text(part: Any) -> tuple[int, int, str]:
    """Return what a part adds to the bytes of its body, what of it is heard, and its name when no bytes bound it."""
    if not isinstance(part, dict):
        return 0, 0, "" if isinstance(part, str) else "a part of an unknown type"
    kind = str(part.get("type"))
    if kind in _COUNTED:
        return 0, 0, ""
    inner = part.get("image_url") if kind == "input_image" else part.get(kind)
    if kind in ("image_url", "input_image"):
        return _picture(inner.get("url") if isinstance(inner, dict) else inner)
    if kind == "input_audio":
        return _sound(inner.get("data") if isinstance(inner, dict) else None)
    if kind == "file":
        data = inner.get("file_data") if isinstance(inner, dict) else None
        if isinstance(data, str) and data.startswith("data:text/"):
            return 0, 0, ""
        return 0, 0, "a file"
    return 0, 0, f"a part of type {kind[:40]!r}"


def _picture(url: Any) -> tuple[int, int, str]:
    if not isinstance(url, str):
        return 0, 0, "a picture that is none"
    if url[:5] == "data:":
        return (_PICTURE - len(url), 0, "") if url.startswith("data:image/") else (0, 0, "a file")
    link = url.lower()
    return (0, 0, "what may be a film") if any(place in link for place in _FILMS) else (_PICTURE, 0, "")


def _sound(data: Any) -> tuple[int, int, str]:
    """Return what audio in base64 adds: it lasts as long as its bytes can; what packs more densely nothing bounds."""
    if isinstance(data, str) and (data.startswith(_MP3) or _is_wave(data)):
        seconds = len(data) * 3 // 4 // _AUDIO_BYTES + 1
        return -len(data), seconds * 100, ""
    return 0, 1, "audio that is neither WAV nor MP3"


def _is_wave(data: str) -> bool:
    """Whether it begins as a WAV file of whole samples, and plays enough of them a second."""
    if not data.startswith(_WAV):
        return False
    try:
        head = base64.b64decode(data[:48])
    except (binascii.Error, ValueError):
        return False
    kind, rate = int.from_bytes(head[20:22], "little"), int.from_bytes(head[24:28], "little")
    return head[12:16] == b"fmt " and kind in _SAMPLES and rate >= _AUDIO_BYTES
