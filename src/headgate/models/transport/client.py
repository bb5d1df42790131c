"""The one way out to model providers over HTTP: `post` and `stream`.

Called by provider files. It follows no redirect, uses no proxy and no environment, sends no header but its own, and
bounds time and size. Callers of Headgate set neither URL nor headers; both come from settings.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from headgate.kernel import InvalidInput
from headgate.models.call import ProviderError

from .failures import broken, unsent
from .reply import PATIENCE, Limits, Reply, odd
from .resolving import USUAL, Route
from .urls import is_header, is_target, place_of

if TYPE_CHECKING:
    from .connection import Connection
    from .pool import Pool

_OURS = {"Content-Type": "application/json", "Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "headgate"}
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_JOINED_BYTES = 64 * 1024
_ENCODING = "content-encoding"


class Transport:
    """A pool of connections to one provider; safe to share between tasks and between event loops."""

    def __init__(
        self, base_url: str, headers: Mapping[str, str], limits: Limits = PATIENCE, route: Route = USUAL
    ) -> None:
        self._place = place_of(base_url)
        self._limits, self._route = limits, route
        if wrong := _not_headers(headers):
            raise InvalidInput(
                f"the header {wrong!r} is not one line of plain text", "does the key hold a line break or an accent?"
            )
        self._headers = dict(headers)
        self._usual = self._head(headers)
        self._pools: dict[asyncio.AbstractEventLoop, Pool] = {}
        self._lock = threading.Lock()

    async def post(
        self, path: str, body: Mapping[str, Any], total: float, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send JSON, return status, headers and whole body (of an error its start). Raises ProviderError."""
        call = _Exchange(self, (path, body, headers), total)
        try:
            connection = await call.begin()
            if connection.status == 200 and _ENCODING not in connection.headers:
                content = await connection.whole()
            else:
                reply = call.reply(connection)
                content = await reply.read() if reply.status == 200 else await reply.start()
            return connection.status, connection.headers, content
        finally:
            call.leave()

    def stream(
        self, path: str, body: Mapping[str, Any], total: float, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[Reply]:
        """Send JSON and hand out the reply while it arrives; leaving the block gives the connection back or cuts it.

        headers: of this request alone, in the place of the transport's own of that name: a signature, for example.
        """
        return _Exchange(self, (path, body, headers), total)

    async def close(self) -> None:
        """Close the connections that belong to the running event loop."""
        with self._lock:
            pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.close()

    @property
    def active(self) -> int:
        """Connections of the running loop that are in use now; 0 when every call has ended (P9)."""
        pool = self._pools.get(asyncio.get_running_loop())
        return pool.active if pool is not None else 0

    def pool(self) -> Pool:
        """Return the running loop's connections."""
        loop = asyncio.get_running_loop()
        found = self._pools.get(loop)
        if found is None:
            from .pool import Pool

            with self._lock:
                # Loops that have ended leave nothing behind but this entry.
                self._pools = {other: pool for other, pool in self._pools.items() if not other.is_closed()}
                found = self._pools[loop] = Pool(self._place, self._limits, self._route)
        return found

    def request(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None) -> tuple[bytes, ...]:
        """Return the bytes of a request. Raises ProviderError for a path or a header that would be more than that."""
        if not is_target(path):
            raise unsent(f"{path!r} is no path below the base URL")
        usual = self._usual
        if headers:
            if wrong := _not_headers(headers):
                raise unsent(f"the header {wrong!r} is not one line of plain text")
            usual = self._head(_over(self._headers, headers))
        content = msgspec.json.encode(body)
        head = f"POST {self._place.path}{path}{usual}{len(content)}\r\n\r\n".encode("ascii")
        return (head + content,) if len(content) < _JOINED_BYTES else (head, content)

    def _head(self, headers: Mapping[str, str]) -> str:
        lines = "".join(f"{name}: {value}\r\n" for name, value in _over(_OURS, headers).items())
        return f" HTTP/1.1\r\nHost: {self._place.authority}\r\n{lines}Content-Length: "


class _Exchange(AbstractAsyncContextManager[Reply]):
    """One call, as a block."""

    __slots__ = ("_asked", "_connection", "_pieces", "_pool", "_total", "_transport")

    def __init__(self, transport: Transport, asked: tuple[Any, Any, Any], total: float) -> None:
        self._transport, self._asked, self._total = transport, asked, max(total, 0.001)
        self._pool: Pool | None = None
        self._connection: Connection | None = None
        self._pieces: _Pieces | None = None

    async def begin(self) -> Connection:
        """Send the request and wait for the head of the answer; `leave` follows, whatever comes of it."""
        parts = self._transport.request(*self._asked)
        self._pool = pool = self._transport.pool()
        deadline = pool.loop.time() + self._total
        pool.active += 1
        self._connection = connection = pool.waiting() or await pool.open(self._total)
        connection.send(*parts, deadline=deadline)
        if not connection.begun:
            await connection.head()
        return connection

    def reply(self, connection: Connection) -> Reply:
        """Return what came back, to be read while the call lasts."""
        self._pieces = pieces = _Pieces(connection)
        if connection.headers.get(_ENCODING, "identity") != "identity":
            pieces.unreadable = odd("sent a compressed answer, which was not asked for")
        return Reply(connection.status, connection.headers, pieces, connection.ended)

    def leave(self) -> None:
        """Give the connection back, or cut it; once."""
        if self._pieces is not None:
            self._pieces.connection = None
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.active -= 1
            if self._connection is not None:
                pool.give_back(self._connection)

    async def __aenter__(self) -> Reply:
        try:
            return self.reply(await self.begin())
        except BaseException:
            self.leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class _Pieces:
    """The body of one reply, for as long as its block lasts."""

    __slots__ = ("connection", "unreadable")

    def __init__(self, connection: Connection) -> None:
        self.connection: Connection | None = connection
        self.unreadable: ProviderError | None = None

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        if self.connection is None:
            raise broken("it was left")
        if self.unreadable is not None:
            if self.connection.status == 200:
                raise self.unreadable
            raise StopAsyncIteration  # a refusal: its status says enough
        if piece := await self.connection.piece():
            return piece
        raise StopAsyncIteration


def _over(usual: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Put headers in the place of those of the same name, whatever its case."""
    names = {name.lower() for name in own}
    return {name: value for name, value in usual.items() if name.lower() not in names} | dict(own)


def _not_headers(headers: Mapping[str, str]) -> str:
    """Return the name of a header that cannot be sent, or is the transport's own business; empty when all can."""
    return next((name for name, value in headers.items() if name.lower() in _FRAMING or not is_header(name, value)), "")
