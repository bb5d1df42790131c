"""AWS's binary event stream, parsed from bytes cut anywhere into JSON texts `{event type: payload}`.

Called through the codec of the wire that streams so; it knows nothing of what events say. Both checksums of every
message are checked. Source: Amazon event stream specification (`application/vnd.amazon.eventstream`).
"""

from __future__ import annotations

import json
import struct
import zlib

from headgate.models.sse import MAX_LINE, StreamBroken

_PRELUDE = 12
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_STRING, _BYTES = 7, 6


class FrameParser:
    """Feed it bytes as they come; it returns the events that have become complete."""

    def __init__(self, max_frame: int = MAX_LINE) -> None:
        self._max_frame = max_frame
        self._buffer = bytearray()
        self.broken: StreamBroken | None = None

    def feed(self, chunk: bytes) -> list[str]:
        """Return completed events, in order. Raises StreamBroken for bytes that are no messages.

        The trap: events completed before a bad message are returned, and `broken` then holds what is raised next.
        """
        if self.broken is not None:
            raise self.broken
        self._buffer += chunk
        events: list[str] = []
        try:
            while (frame := self._frame()) is not None:
                events.append(_event(frame))
        except (StreamBroken, UnicodeDecodeError, IndexError, struct.error) as problem:
            self.broken = problem if isinstance(problem, StreamBroken) else StreamBroken("a message is malformed")
            if not events:
                raise self.broken from None
        return events

    def end(self) -> list[str]:
        """Return nothing: a message that the end cut off says nothing. Raises StreamBroken when there is one."""
        if self._buffer:
            raise StreamBroken("it ended inside a message")
        return []

    def _frame(self) -> bytes | None:
        if len(self._buffer) < _PRELUDE:
            return None
        length, headers, check = struct.unpack_from(">III", self._buffer)
        if length > self._max_frame:
            raise StreamBroken(f"a message is longer than {self._max_frame} bytes")
        if check != zlib.crc32(self._buffer[:8]) or length < _PRELUDE + 4 + headers:
            raise StreamBroken("a message has a wrong checksum")
        if len(self._buffer) < length:
            return None
        frame = bytes(self._buffer[:length])
        del self._buffer[:length]
        if struct.unpack_from(">I", frame, length - 4)[0] != zlib.crc32(frame[:-4]):
            raise StreamBroken("a message has a wrong checksum")
        return frame


def _event(frame: bytes) -> str:
    """Return one message as JSON: an event under its type, anything else as `{"error": …}`."""
    size = struct.unpack_from(">I", frame, 4)[0]
    headers = _headers(frame[_PRELUDE : _PRELUDE + size])
    payload = frame[_PRELUDE + size : -4].decode("utf-8") or "{}"
    if headers.get(":message-type") == "event":
        return f"{{{json.dumps(headers.get(':event-type', ''))}: {payload}}}"
    kind = headers.get(":exception-type") or headers.get(":error-code", "")
    message = headers.get(":error-message") or _message(payload)
    return json.dumps({"error": {"type": kind, "message": message}})


def _message(payload: str) -> str:
    try:
        found = json.loads(payload)
    except ValueError:
        return ""
    return str(found.get("message") or found.get("Message") or "") if isinstance(found, dict) else ""


def _headers(raw: bytes) -> dict[str, str]:
    """Return the headers that are text; the others are stepped over."""
    found, at = {}, 0
    while at < len(raw):
        size = raw[at]
        name = raw[at + 1 : at + 1 + size].decode("utf-8")
        kind, at = raw[at + 1 + size], at + 2 + size
        if kind in (_STRING, _BYTES):
            (length,) = struct.unpack_from(">H", raw, at)
            if kind == _STRING:
                found[name] = raw[at + 2 : at + 2 + length].decode("utf-8")
            at += 2 + length
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise StreamBroken("a message has a header of no known type")
    return found
