"""The connection guard: HTTP/1.1 on one connection, with limits (P23). Chosen by the server instead of uvicorn's own.

Headers: at most 64 KiB, whole within 10 s. Bodies: whole within 30 s of their headers. A connection that breaks a limit
gets one short answer and is closed. llhttp reads, `cycle` answers; requests that come before the last one is answered
wait their turn. One timer watches whatever limit runs; it is set when a request comes in pieces, or once for many that
do not: an idle connection moves its end, not its timer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn import Config
from uvicorn.server import ServerState

from .cycle import Cycle

HEADERS_S = 10.0
BODY_S = 30.0
HEADER_BYTES = 64 * 1024
_MOST_UNREAD = 64 * 1024
_MOST_WAITING = 8
"""Requests that wait for the answer before theirs until no more is read. Who is not read is not seen to leave."""
_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
}
_REFUSAL = b"HTTP/1.1 %d %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
_NEVER = float("inf")


class GuardedProtocol(asyncio.Protocol):
    """One connection with limits. The server knows it by `shutdown`, by its set of connections and by that of tasks."""

    headers_s, body_s = HEADERS_S, BODY_S

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self._application: Any = config.loaded_app
        self._idle_s = float(config.timeout_keep_alive)
        self._state, self._app_state = server_state, app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        # What comes after a request that closes the connection is not read as a request, and is no error either.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.full = False
        self._reading = True
        self._writable: asyncio.Future[None] | None = None
        self._shared: tuple[object, bytes, bool] = (None, b"", False)
        self._scope: dict[str, Any] = {}
        self._url, self._expects = b"", False
        self._headers: list[tuple[bytes, bytes]] = []
        self._cycle: Cycle | None = None
        self._answering: Cycle | None = None
        self._waiting: deque[tuple[Cycle, dict[str, Any]]] = deque()
        self._in_headers, self._in_body, self._idle = True, False, False
        self._head_bytes = self._packet = 0
        self._until, self._rings_at = _NEVER, _NEVER
        self._timer: asyncio.TimerHandle | None = None

    # --- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "scheme": "http",
            "root_path": "",
        }
        self._limit(self.headers_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._until = _NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._parser = None
        self._waiting.clear()
        self.resume_writing()
        for cycle in (self._answering, self._cycle):
            if cycle is not None:
                cycle.leave()
        self._cycle = self._answering = None

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self.transport.is_closing():
            return
        if self._idle:
            self._idle, self._until = False, _NEVER
        self._packet = len(data)
        if self._in_headers:
            self._head_bytes += self._packet
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # we speak no other protocol: the request is answered as it is
            pass
        except httptools.HttpParserError:
            self.refuse(400, b"Invalid HTTP request received.")
            return
        if self._in_headers:
            if self._head_bytes > HEADER_BYTES:
                self.refuse(431, b"the request's headers are larger than 64 KiB")
            elif self._head_bytes and self._until == _NEVER:
                self._limit(self.headers_s)
        elif self._in_body and self._until == _NEVER:
            self._limit(self.body_s)

    def eof_received(self) -> None:
        """Take a client that sends no more for one that has left: the transport closes."""

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        if self._writable is not None:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None

    # --- what the server calls

    def shutdown(self) -> None:
        """End: at once when idle, else after the last answer that is owed."""
        if self._answering is None:
            self.transport.close()
        else:
            (self._waiting[-1][0] if self._waiting else self._answering).stays = False

    # --- what the parser calls

    def on_message_begin(self) -> None:
        self._in_headers = True
        self._url, self._headers, self._expects = b"", [], False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        large = self._head_bytes > HEADER_BYTES or self._packet > HEADER_BYTES
        self._in_headers, self._in_body, self._idle = False, True, False
        self._head_bytes, self._until = 0, _NEVER
        if large and len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers) > HEADER_BYTES:
            self.refuse(431, b"the request's headers are larger than 64 KiB")
            return
        parser, scope = self._parser, self._scope.copy()
        method = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        raw, query = _split(self._url)
        path = raw.decode("ascii")
        scope["method"], scope["path"] = method, unquote(path) if "%" in path else path
        scope["raw_path"], scope["query_string"] = raw, query
        scope["headers"], scope["state"] = self._headers, self._app_state.copy()
        stays = version != "1.0" and parser.should_keep_alive()
        self._cycle = scope["headgate.client"] = Cycle(self, method == "HEAD", self._expects, stays)
        if self._answering is None:
            self._answer(self._cycle, scope)
        else:
            self._waiting.append((self._cycle, scope))
            if len(self._waiting) >= _MOST_WAITING:
                self._pause_reading()

    def on_body(self, body: bytes) -> None:
        if self._cycle is not None and not self._cycle.complete and self._cycle.take(body) > _MOST_UNREAD:
            self._pause_reading()

    def on_message_complete(self) -> None:
        self._in_headers, self._in_body, self._head_bytes, self._until = True, False, 0, _NEVER
        if self._cycle is not None:
            self._cycle.end()
        if self._answering is None:  # it was answered before it was read
            self._rest()

    # --- what a cycle calls

    def shared_headers(self) -> tuple[bytes, bool]:
        """Return the headers of every answer, written out, and whether they close connections."""
        given = self._state.default_headers  # the server makes a new list each second
        if given is not self._shared[0]:
            lines = b"".join(b"%b: %b\r\n" % header for header in given)
            self._shared = (given, lines, (b"connection", b"close") in given)
        return self._shared[1], self._shared[2]

    async def drained(self) -> None:
        """Wait until the client has read enough of what was written, or has left."""
        while self.full:
            self._writable = self._loop.create_future()
            await self._writable

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()

    def answered(self) -> None:
        """Go on with the request that waits, or wait for another for as long as connections are kept."""
        self._state.total_requests += 1
        self._answering = None
        if self.transport.is_closing():
            return
        self.resume_reading()
        if self._waiting:
            self._answer(*self._waiting.popleft())
        elif self._in_headers and not self._head_bytes:
            self._rest()

    def ended(self) -> None:
        """Let go of the task that runs: it ends here. A call by the task itself costs less than one of the loop."""
        self._state.tasks.discard(asyncio.current_task())

    def refuse(self, status: int, message: bytes) -> None:
        """Answer once, unless an answer has begun, and close."""
        if self.transport is None or self.transport.is_closing():
            return
        if self._answering is None or not self._answering.started:
            self.transport.write(_REFUSAL % (status, _REASONS[status], len(message), message))
        self.transport.close()

    def _answer(self, cycle: Cycle, scope: dict[str, Any]) -> None:
        self._answering = cycle
        self._state.tasks.add(self._loop.create_task(cycle.run(self._application, scope)))

    def _rest(self) -> None:
        self._idle = True
        self._limit(self._idle_s)

    def _pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self.transport.pause_reading()

    def _limit(self, seconds: float) -> None:
        """Let a limit run from now on. A timer that rings before it is left alone: it finds out and waits on."""
        self._until = self._loop.time() + seconds
        if self._timer is None or self._until < self._rings_at:
            if self._timer is not None:
                self._timer.cancel()
            self._rings_at = self._until
            self._timer = self._loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        left = self._until - self._loop.time()
        if self._until == _NEVER:
            return
        if left > 0:
            self._rings_at = self._until
            self._timer = self._loop.call_later(left, self._ring)
        elif self._in_headers and not self._head_bytes:
            self.transport.close()
        else:
            self.refuse(408, b"the request did not arrive in time")


def _split(url: bytes) -> tuple[bytes, bytes]:
    """Return path and query of a target. Raises what makes the parser give up for one that is none."""
    if url.startswith(b"/") and b"#" not in url:
        path, _, query = url.partition(b"?")
        return path, query
    found = httptools.parse_url(url)
    return found.path, found.query or b""


def _address(found: Any) -> tuple[str, int] | None:
    """Return host and port; None where there are none, as on a socket in the file system."""
    return (str(found[0]), int(found[1])) if isinstance(found, (list, tuple)) else None
