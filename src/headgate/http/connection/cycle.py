"""One request on a connection and its answer, written straight onto the transport. Called by the connection guard.

To the application it is ASGI's `receive` and `send`, and under `headgate.client` in the scope the client itself: `gone`
once it has left, `on_leave`, called at that moment, and `answer`, which sends a whole answer at once. It keeps no
scope: a cycle of references on every request would be the garbage collector's.
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

Headers = Sequence[tuple[bytes, bytes]]
Message = MutableMapping[str, Any]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any]
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus}
_WITHOUT_BODY = (204, 304)


class Connection(Protocol):
    """What a cycle needs of its connection. `full`: the client reads slower than we write."""

    transport: asyncio.Transport
    full: bool

    def shared_headers(self) -> tuple[bytes, bool]: ...
    async def drained(self) -> None: ...
    def resume_reading(self) -> None: ...
    def refuse(self, status: int, message: bytes) -> None: ...
    def answered(self) -> None: ...
    def ended(self) -> None: ...


class Cycle:
    """A request as it comes in, and its answer as it goes out. bare: whether the answer has no body (HEAD).

    expects: whether the client waits for leave to send its body. stays: whether the connection outlives the answer.
    """

    __slots__ = (
        "_chunked",
        "_connection",
        "_expects",
        "_left",
        "_news",
        "_waiter",
        "bare",
        "body",
        "complete",
        "gone",
        "more_body",
        "on_leave",
        "started",
        "stays",
    )

    def __init__(self, connection: Connection, bare: bool, expects: bool, stays: bool) -> None:
        self._connection, self.bare, self._expects, self.stays = connection, bare, expects, stays
        self.body: bytes | bytearray = b""
        self.more_body = True
        self.started = self.complete = self.gone = False
        self.on_leave: Callable[[], None] | None = None
        self._news = False
        self._waiter: asyncio.Future[None] | None = None
        self._chunked = False
        self._left = 0

    async def run(self, application: Application, scope: Message) -> None:
        """Let the application answer; whoever leaves no whole answer behind loses the connection."""
        try:
            await application(scope, self.receive, self.send)
        finally:
            self._connection.ended()
            if not self.complete and not self.gone:
                self._connection.refuse(500, b"the server made a mistake")

    def take(self, body: bytes) -> int:
        """Take in a piece of the request's body; return how many bytes wait to be read."""
        if not self.body:
            self.body = body
        elif isinstance(self.body, bytearray):
            self.body += body
        else:
            self.body = bytearray(self.body) + body
        self._wake()
        return len(self.body)

    def end(self) -> None:
        """Take in that the request is whole."""
        self.more_body = False
        self._wake()

    def leave(self) -> None:
        """Take in that the client has left."""
        if not self.complete and not self.gone:
            self.gone = True
            self._wake()
            if self.on_leave is not None:
                self.on_leave()

    async def receive(self) -> Message:
        if self._expects:
            self._expects = False
            if not self.started and not self._connection.transport.is_closing():
                self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not (self.gone or self.complete):
            self._connection.resume_reading()
            while not self._news:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            self._news = False
        if self.gone or self.complete:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), b""
        self._connection.resume_reading()  # who is not read is not seen to leave
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        if self._connection.full and not self.gone:
            await self._connection.drained()
        if self.gone:
            return
        if not self.started:
            self._open(message["status"], message.get("headers", ()))
        elif self.complete:
            raise RuntimeError(f"{message['type']} after the end of the answer")
        else:
            self._write(message.get("body", b""), message.get("more_body", False))

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer at once; its length is added. False when the connection is full: `send` it, and wait."""
        if self._connection.full:
            return False
        if not self.gone:
            head = self._head(status, headers, b"content-length: %d\r\n" % len(body))
            self.started = True
            self._connection.transport.write(head if self.bare else head + body)
            self._end()
        return True

    def _open(self, status: int, given: Headers) -> None:
        """Send the head of an answer whose body comes in pieces: as long as it says, else cut into chunks."""
        headers = [header for header in given if header[0] != b"transfer-encoding"]
        length = next((int(value) for name, value in headers if name == b"content-length"), -1)
        self._left = max(length, 0)
        self._chunked = length < 0 and not self.bare and status not in _WITHOUT_BODY
        head = self._head(status, headers, b"transfer-encoding: chunked\r\n" if self._chunked else b"")
        self.started = True
        self._connection.transport.write(head)

    def _head(self, status: int, headers: Headers, framing: bytes) -> bytes:
        """Write the head out. Raises RuntimeError for a header that would end its line."""
        shared, closes = self._connection.shared_headers()
        lines, ends = b"\r\n".join(map(b": ".join, headers)), max(len(headers) - 1, 0)
        if not lines.count(b"\n") == lines.count(b"\r") == ends or b"\0" in lines:
            raise RuntimeError("a header holds the end of a line")
        if closes or b"connection: close" in lines:
            self.stays = False
        elif not self.stays:
            framing += b"connection: close\r\n"
        return b"".join((_STATUS[status], shared, lines, b"\r\n" if lines else b"", framing, b"\r\n"))

    def _write(self, body: bytes, more: bool) -> None:
        """Write a piece of the body. Raises RuntimeError when it is not as long as the head said."""
        write = self._connection.transport.write
        if self._chunked:
            piece = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if piece or not more:
                write(piece if more else piece + b"0\r\n\r\n")
        elif not self.bare:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the answer is not as long as its head says")
            if body:
                write(body)
        if not more:
            self._end()

    def _end(self) -> None:
        self.complete = True
        self._wake()
        if not self.stays:
            self._connection.transport.close()
        self._connection.answered()

    def _wake(self) -> None:
        self._news = True
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
            self._waiter = None
