"""Server-sent events, parsed from bytes cut anywhere, and written. Called by wires and edges that stream; it knows
nothing of what events say.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

from typing import Any

import msgspec

MAX_LINE = 16 * 1024 * 1024
_encode = msgspec.json.Encoder().encode


def sse(data: Any, event: str = "") -> bytes:
    """Return one event of JSON, with a name when the wire names its events."""
    head = b"event: " + event.encode() + b"\n" if event else b""
    return head + b"data: " + _encode(data) + b"\n\n"


class StreamBroken(Exception):
    """The bytes are not an event stream: a line without end, or text that is not UTF-8."""


class EventParser:
    """Feed it bytes as they come; it returns the `data` of every event that has become complete."""

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._buffer = bytearray()
        self._scanned = 0
        self._data: list[str] = []
        self._size = 0
        self._after_cr = False
        self._first = True
        self.broken: StreamBroken | None = None

    def feed(self, chunk: bytes) -> list[str]:
        """Return the data of completed events, in order. Raises StreamBroken for a line over the limit or bad UTF-8.

        The trap: events completed before a bad line are returned, and `broken` then holds what would be raised next.
        """
        if self.broken is not None:
            raise self.broken
        events, rest = self._plain(chunk)
        if not rest:
            return events
        self._buffer += rest
        try:
            self._read(events)
        except StreamBroken as problem:
            self.broken = problem
            if not events:
                raise
        return events

    def _plain(self, chunk: bytes) -> tuple[list[str], bytes]:
        """Take whole events of one `data: ` line each, all at once, as nearly every provider writes them; return their
        data and the bytes that are left to be read line by line: all of them when anything else comes among them."""
        ends = chunk.rfind(b"\n\n")
        if ends < 0 or self._data or self._after_cr or len(chunk) + len(self._buffer) > self._max_line:
            return [], chunk
        whole = bytes(self._buffer) + chunk[:ends] if self._buffer else chunk[:ends]
        if b"\r" in whole:
            return [], chunk
        try:
            parts = whole.decode("utf-8").split("\n\n")
        except UnicodeDecodeError:
            return [], chunk
        events = [part[6:] for part in parts if part[:6] == "data: " and "\n" not in part]
        if len(events) != len(parts):
            return [], chunk
        self._buffer.clear()
        self._scanned, self._first = 0, False
        return [event for event in events if event] if "" in events else events, chunk[ends + 2 :]

    def _read(self, events: list[str]) -> None:
        while (line := self._line()) is not None:
            if event := self._take(line):
                events.append(event)
        if len(self._buffer) > self._max_line:
            raise StreamBroken(f"a line is longer than {self._max_line} bytes")

    def end(self) -> list[str]:
        """Return the event that the stream's end cut off before its empty line, if its lines are complete."""
        if self._buffer:
            self._take(bytes(self._buffer))
            self._buffer.clear()
        data, self._data = self._data, []
        return ["\n".join(data)] if data else []

    def _line(self) -> bytes | None:
        if self._after_cr and self._buffer:
            self._after_cr = False
            if self._buffer[0] == 0x0A:
                del self._buffer[0]
        ends = [at for mark in (b"\n", b"\r") if (at := self._buffer.find(mark, self._scanned)) >= 0]
        if not ends:
            self._scanned = len(self._buffer)
            return None
        at = min(ends)
        self._after_cr = self._buffer[at] == 0x0D
        line = bytes(self._buffer[:at])
        del self._buffer[: at + 1]
        self._scanned = 0
        return line

    def _take(self, line: bytes) -> str | None:
        if not line:
            data, self._data, self._size = self._data, [], 0
            return "\n".join(data)
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise StreamBroken("a line is not UTF-8") from None
        if self._first:
            text, self._first = text.removeprefix("\ufeff"), False
        name, _, value = text.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
            self._size += len(value)
            if self._size > self._max_line:
                raise StreamBroken(f"an event is longer than {self._max_line} bytes")
        return None
