"""The connection guard: uvicorn's HTTP protocol with limits that it lacks (P23). Chosen by the server.

Headers: at most 64 KiB, whole within 10 s. Bodies: whole within 30 s of their headers. A connection that breaks a limit
gets one short answer and is closed; whoever plays by the rules pays for a timer only when a request comes in pieces.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S = 10.0
BODY_S = 30.0
HEADER_BYTES = 64 * 1024


class GuardedProtocol(HttpToolsProtocol):
    """One connection with limits."""

    headers_s, body_s = HEADERS_S, BODY_S

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._in_headers = True
        self._in_body = False
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._timer = self.loop.call_later(self.headers_s, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.parser is None or self.transport.is_closing():
            return
        if self._in_headers:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_headers:
            if self._head_bytes > HEADER_BYTES:
                self._refuse(431, b"the request's headers are larger than 64 KiB")
            elif self._head_bytes and self._timer is None:
                self._timer = self.loop.call_later(self.headers_s, self._late)
        elif self._in_body and self._timer is None:
            self._timer = self.loop.call_later(self.body_s, self._late)

    def on_message_begin(self) -> None:
        self._in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._calm()
        self._in_headers, self._in_body, self._head_bytes = False, True, 0
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEADER_BYTES:
            self._refuse(431, b"the request's headers are larger than 64 KiB")
            return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._calm()
        self._in_headers, self._in_body, self._head_bytes = True, False, 0
        if self.cycle is not None:
            super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle is not None:
            super().on_body(body)

    def _calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._in_headers and not self._head_bytes:
            self.transport.close()
        else:
            self._refuse(408, b"the request did not arrive in time")

    def _refuse(self, status: int, message: bytes) -> None:
        """Answer once, unless an answer has begun, and close."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            reason = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}[status]
            head = b"HTTP/1.1 %d %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(head % (status, reason, len(message)) + message)
        self.transport.close()
