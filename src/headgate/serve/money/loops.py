"""Loops that run away: the same call of a tool, or the same question, again and again, while it costs more and more.

Called by `draw` when a request comes. A conversation that goes back and forth with a tool carries its own history, so
that repeats in it are seen by whichever process is asked; the same question asked anew is counted in this process, for
each session. In memory only, bounded, and forgotten after ten minutes of silence.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

FORGOTTEN_S = 600.0
_MOST_SESSIONS = 10_000
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(slots=True)
class _Seen:
    """What a session asked last, how often in a row, and when."""

    asked: bytes
    times: int
    at: float


@dataclass(slots=True)
class Loops:
    """What the sessions of one process asked last."""

    _seen: OrderedDict[str, _Seen] = field(default_factory=OrderedDict)

    def again(self, session: str, messages: list[dict[str, Any]], now: float) -> int:
        """Note what a session asks; return how often in a row it has asked the same, this time included."""
        asked = blake2b(_encode(messages[-1]) if messages else b"", digest_size=16).digest()
        found = self._seen.get(session)
        if found is None or found.asked != asked or now - found.at > FORGOTTEN_S:
            found = self._seen[session] = _Seen(asked, 0, now)
        found.times += 1
        found.at = now
        self._seen.move_to_end(session)
        if len(self._seen) > _MOST_SESSIONS:
            self._seen.popitem(last=False)
        return found.times


def repeated_call(messages: list[dict[str, Any]]) -> tuple[str, int]:
    """Return the tool that was called last, and how often in a row with the same arguments; ('', 0) without a call."""
    last, times = ("", b""), 0
    for message in reversed(messages):
        if not isinstance(message, dict) or message.get("role") != "assistant":
            continue
        calls = list(_calls(message))
        if not calls:
            break
        for call in reversed(calls):
            if times and call != last:
                return last[0], times
            last, times = call, times + 1
    return last[0], times


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield name and arguments of each call, as OpenAI and as Anthropic write them; JSON alike is alike."""
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield str(function.get("name", "")), _same(function.get("arguments"))
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == "tool_use":
            yield str(part.get("name", "")), _encode(part.get("input"))


def _same(arguments: Any) -> bytes:
    try:
        return _encode(msgspec.json.decode(arguments))
    except (msgspec.DecodeError, TypeError, UnicodeError):
        return str(arguments).encode("utf-8", "replace")
