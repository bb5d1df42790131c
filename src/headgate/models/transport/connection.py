"""One HTTP/1.1 connection: a request out, a bounded answer in, and again, for as long as both ends agree where it ends.

Called by `pool`, which opens connections, and by `client`, which sends and reads. An answer whose length can be read in
two ways is refused. Nothing is ever sent twice: whether a provider heard a call is not ours to guess.
Sources: RFC 9112 (framing: section 6; closing: section 9), RFC 9110 section 15.2 (interim answers).
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable
from copy import copy
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from headgate.models.call import ProviderError

from .failures import broken, timed_out
from .reply import MAX_BYTES, odd, too_long

HEAD_BYTES = 64 * 1024
KEEP_S = 30.0
_HIGH, _LOW = 256 * 1024, 64 * 1024
_HIGH_TLS = 16 * 1024 * 1024
"""Over TLS, reading stops only for who is slow indeed: uvloop 0.23 loses what it has not handed over yet when the other
end closes without a TLS farewell meanwhile. (The call then fails; it is never short.)"""
_TICK_S = 0.001
_WATCHED = select.POLLIN | getattr(select, "POLLRDHUP", 0) if hasattr(select, "poll") else 0


class Connection(asyncio.Protocol):
    """One connection of one event loop. `busy`: a call owns it; `lost`: it is gone.

    Of the answer in progress: `status` and `headers` once `begun`, `problem` when it cannot be read to its end.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, idle_s: float, gone: Callable[[Connection], None]) -> None:
        self._loop, self._idle_s, self._gone = loop, idle_s, gone
        self._transport: Any = None
        self._feed: Any = HttpResponseParser(self)
        self._poll: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._pieces: deque[bytes] = deque()
        self._fresh: list[bytes] = []
        self.busy = self.lost = False
        self._clear()

    def _clear(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.begun = self._complete = self._reusable = self._until_close = self._paused = False
        self.problem: ProviderError | None = None
        self._pieces.clear()
        self._held = self._size = self._barren = self._head = 0

    # A call's side: send, wait for the head, take pieces, release.

    def send(self, *parts: bytes, deadline: float) -> None:
        """Begin a call. deadline: when it must be over, on the loop's clock."""
        self._clear()
        self.busy, self._deadline, self._heard = True, deadline, self._loop.time()
        for part in parts:
            self._transport.write(part)
        self._watch(min(deadline, self._heard + self._idle_s))

    async def head(self) -> None:
        """Wait until status and headers are here. Raises ProviderError."""
        while not self.begun:
            if self.problem is not None:
                raise copy(self.problem)  # raised itself, it would hold the frames that hold this connection
            await self._wait()

    async def piece(self) -> bytes:
        """Return the next piece of the body, empty at its end. Raises ProviderError after the last piece that came."""
        while not self._pieces:
            if self.problem is not None:
                raise copy(self.problem)  # raised itself, it would hold the frames that hold this connection
            if self._complete:
                return b""
            await self._wait()
        found = self._pieces.popleft()
        self._held -= len(found)
        if self._paused and self._held < _LOW:
            self._paused, self._heard = False, self._loop.time()
            if not self.lost:
                self._transport.resume_reading()
        return found

    async def whole(self) -> bytes:
        """Return the whole body. Raises ProviderError."""
        if self._complete and len(self._pieces) == 1:
            return self._pieces.popleft()
        found = bytearray()
        while piece := await self.piece():
            found += piece
        return bytes(found)

    def ended(self) -> bool:
        """Whether the whole body has come and has been taken."""
        return self._complete and not self._pieces

    def release(self) -> bool:
        """End the call. Returns whether the connection can carry another one; if not, it is cut at once."""
        self.busy = False
        self._pieces.clear()
        unsent = not self.lost and self._transport.get_write_buffer_size()
        if not self._reusable or self.lost or unsent or self.problem is not None:
            self.cut()
            return False
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._deadline = self._loop.time() + self._keep_s()
        self._watch(self._deadline)
        return True

    def is_fresh(self) -> bool:
        """Whether a connection that waited is still open and silent: asked of the socket, not only of the loop."""
        if self.lost or self._transport.is_closing() or self._loop.time() >= self._deadline:
            return False
        return self._poll is None or not self._poll.poll(0)

    def cut(self) -> None:
        """Close now, whatever is under way; a call that waits is told."""
        if self._transport is not None and not self.lost:
            self._transport.abort()

    # The loop's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._high = _HIGH_TLS if transport.get_extra_info("sslcontext") else _HIGH
        socket = transport.get_extra_info("socket")
        if _WATCHED and socket is not None:
            self._poll = select.poll()
            self._poll.register(socket.fileno(), _WATCHED)

    def data_received(self, data: bytes) -> None:
        if not self.busy or self.problem is not None or self._feed is None:
            self.cut()  # nobody asked
            return
        self._heard = self._loop.time()
        try:
            self._feed.feed_data(data)
        except HttpParserUpgrade:
            self._fail(odd("switched to another protocol"))
        except HttpParserError as problem:
            self._reusable = False
            if not self._complete:
                self._take(len(data))
                self._fail(odd(f"did not answer in HTTP: {problem}"))
        if self.problem is None:
            self._take(len(data))
        if self.begun or self.problem is not None:
            self._wake()

    def eof_received(self) -> None:
        if self.busy and self.begun and self._until_close and self.problem is None:
            self._complete = True
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._timer is not None:
            self._timer.cancel()
        if self.busy and not self._complete and self.problem is None:
            self.problem = broken(type(exc).__name__ if exc else "it was closed before the answer's end")
        self._feed = None  # each holds the other
        self._wake()
        self._gone(self)

    def _take(self, received: int) -> None:
        """Queue what one read brought of the body, within the bounds of size and memory."""
        if not self._fresh:
            self._barren += received
            if self._barren > HEAD_BYTES and not self._complete:
                self._fail(odd(f"sent more than {HEAD_BYTES} bytes of headers"))
            return
        piece = self._fresh[0] if len(self._fresh) == 1 else b"".join(self._fresh)
        self._fresh.clear()
        self._pieces.append(piece)
        self._barren = 0
        self._held += len(piece)
        self._size += len(piece)
        if self._size > MAX_BYTES:
            self._fail(too_long())
        elif self._held > self._high and not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _fail(self, problem: ProviderError) -> None:
        if self.problem is None:
            self.problem = problem
        self.cut()
        self._wake()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Time: one timer for a connection's whole life. It looks at the clock when it fires, so that a call costs none.

    def _watch(self, when: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= when + _TICK_S:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer, now = None, self._loop.time()
        if not self.busy:
            if now + _TICK_S >= self._deadline:
                self.cut()
            else:
                self._watch(self._deadline)
            return
        if self._complete or self.problem is not None:
            return  # whoever releases the connection sets its timer
        if self._paused or self._transport.get_write_buffer_size():
            self._heard = now  # the silence is ours, or the request is still on its way
        if now + _TICK_S >= min(self._deadline, self._heard + self._idle_s):
            self._fail(timed_out(reached=True))
        else:
            self._watch(min(self._deadline, self._heard + self._idle_s))

    def _keep_s(self) -> float:
        """Return how long the connection may wait: less than what the provider says it keeps it open."""
        said = self.headers.get("keep-alive", "")
        if "timeout=" in said:
            seconds = said.partition("timeout=")[2].partition(",")[0].strip()
            if seconds.isdecimal() and len(seconds) < 6:
                return min(KEEP_S, max(int(seconds) - 1.0, 0.0))
        return KEEP_S

    # The parser's side.

    def on_message_begin(self) -> None:
        if self._complete:
            self._reusable = False  # more than one answer to one call
        else:
            self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.begun:
            return  # a trailer; nobody reads those
        self._head += len(name) + len(value) + 4
        if self._head > HEAD_BYTES:
            if self.problem is None:
                self._fail(odd(f"sent more than {HEAD_BYTES} bytes of headers"))
            return
        key = name.decode("latin-1").lower()
        if key in _FRAMING and key in self.headers:
            self._fail(odd(f"sent {key!r} twice"))
        self.headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._feed.get_status_code()
        if self.begun or self.problem is not None or status < 200:
            return
        self.status = status
        sized, coded = "content-length" in self.headers, self.headers.get("transfer-encoding")
        if self._feed.get_http_version() not in ("1.0", "1.1"):
            self._fail(odd("did not answer in HTTP/1.1"))
        elif coded is not None and (sized or coded.strip().lower() != "chunked"):
            self._fail(odd("sent an answer whose length is told in two ways, or coded"))
        else:
            self._until_close = not sized and coded is None and status not in (204, 304)
            self.begun = True

    def on_body(self, data: bytes) -> None:
        if self.problem is None and not self._complete:
            self._fresh.append(data)

    def on_message_complete(self) -> None:
        if self.begun and self.problem is None and not self._complete:
            self._complete, self._reusable = True, self._feed.should_keep_alive()


_FRAMING = frozenset({"content-length", "transfer-encoding", "content-encoding"})
