"""The one way out to model providers over HTTP: `post` and `stream`, on aiohttp.

Called by provider files. It follows no redirect, uses no proxy and no environment, sends no header but its own, and
bounds time and size. Callers of Headgate set neither URL nor headers; both come from settings.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from headgate.kernel import InvalidInput

from .call import ProviderError

MAX_BYTES = 100 * 1024 * 1024
_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: `connect` to open a connection, `idle` between two pieces of an answer. A call brings its own total."""

    connect: float = 5.0
    idle: float = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: HTTP status, headers with lower-case names, and the body, whole or piece by piece."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]

    async def read(self, limit: int = MAX_BYTES) -> bytes:
        """Return the whole body. Raises ProviderError when it is longer than `limit`."""
        body = bytearray()
        async for piece in self.pieces:
            body += piece
            if len(body) > limit:
                raise ProviderError(f"the provider sent more than {limit} bytes", code="provider_protocol")
        return bytes(body)

    async def start(self) -> bytes:
        """Return the first 64 KiB of the body: enough of an error to say what it was."""
        body = bytearray()
        async for piece in self.pieces:
            body += piece
            if len(body) >= _ERROR_BYTES:
                break
        return bytes(body[:_ERROR_BYTES])


class Transport:
    """A pool of connections to one provider; safe to share between tasks and between event loops."""

    def __init__(self, base_url: str, headers: Mapping[str, str], limits: Limits = Limits()) -> None:
        self._base = checked_url(base_url)
        self._headers = dict(headers)
        self._limits = limits
        self._sessions: dict[asyncio.AbstractEventLoop, Any] = {}
        self._lock = threading.Lock()

    async def post(
        self, path: str, body: Mapping[str, Any], total: float, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send JSON, return status, headers and whole body (of an error its start). Raises ProviderError."""
        async with self.stream(path, body, total, headers) as reply:
            content = await reply.read() if reply.status == 200 else await reply.start()
            return reply.status, reply.headers, content

    @asynccontextmanager
    async def stream(
        self, path: str, body: Mapping[str, Any], total: float, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Reply]:
        """Send JSON and hand out the reply while it arrives; leaving the block gives the connection back or cuts it.

        headers: of this request alone, beside the transport's own: a signature, for example.
        """
        import aiohttp

        timeout = aiohttp.ClientTimeout(
            total=max(total, 0.001), sock_connect=self._limits.connect, sock_read=self._limits.idle
        )
        content = msgspec.json.encode(body)
        try:
            async with self._session().post(
                self._base + path, data=content, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                received = {name.lower(): value for name, value in response.headers.items()}
                async with aclosing(self._bounded(response.content)) as pieces:
                    yield Reply(response.status, received, pieces)
        except TimeoutError as problem:
            raise timed_out(problem) from None
        except aiohttp.ClientConnectorError as problem:
            raise ProviderError(
                f"the provider cannot be reached: {problem.strerror or type(problem).__name__}",
                "is it running, and is base_url right?",
                code="provider_connection",
                retryable=True,
            ) from None
        except (aiohttp.ClientError, OSError) as problem:
            raise broken(problem) from None

    async def close(self) -> None:
        """Close the connections that belong to the running event loop."""
        with self._lock:
            session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    @property
    def active(self) -> int:
        """Connections of the running loop that are in use now; 0 when every call has ended (P9)."""
        session = self._sessions.get(asyncio.get_running_loop())
        return len(session.connector._acquired) if session is not None else 0

    def _session(self) -> Any:
        import aiohttp

        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, ttl_dns_cache=60, keepalive_timeout=30),
                headers={**self._headers, "Content-Type": "application/json", "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                raise_for_status=False,
                auto_decompress=False,
            )
            with self._lock:
                self._sessions[loop] = session
        return session

    async def _bounded(self, content: Any) -> AsyncGenerator[bytes]:
        size = 0
        async for piece in content.iter_any():
            size += len(piece)
            if size > MAX_BYTES:
                raise ProviderError(f"the provider sent more than {MAX_BYTES} bytes", code="provider_protocol")
            yield piece


def checked_url(url: str) -> str:
    """Return a base URL without its final slash. Raises InvalidInput unless it is plain http(s) without user-info."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or parts.username is not None or parts.query or parts.fragment:
        raise InvalidInput(
            f"{url.rpartition('@')[2]!r} is not a base URL",
            "write it as https://host/v1, without user name, query or fragment",
        )
    return url.rstrip("/")


def timed_out(problem: BaseException) -> ProviderError:
    import aiohttp

    reached = not isinstance(problem, aiohttp.ConnectionTimeoutError)
    phase = "was too slow" if reached else "did not accept the connection"
    found = ProviderError(f"the provider {phase}", code="provider_timeout", retryable=True)
    found.reached = reached
    return found


def broken(problem: BaseException) -> ProviderError:
    import aiohttp

    found = ProviderError(
        f"the connection to the provider broke: {type(problem).__name__}", code="provider_connection", retryable=True
    )
    found.reached = not isinstance(problem, aiohttp.ClientConnectorError)
    return found
