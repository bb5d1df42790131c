"""The one way out to model providers over HTTP: `post` and `stream`, on aiohttp.

Called by provider files. It follows no redirect, uses no proxy and no environment, sends no header but its own, and
bounds time and size. Callers of Headgate set neither URL nor headers; both come from settings.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from headgate.kernel import InvalidInput

from .failures import broken, timed_out, unreached, unsent
from .reply import MAX_BYTES, PATIENCE, Limits, Reply, too_long
from .resolving import USUAL, Route
from .urls import is_line, is_target, place_of


class Transport:
    """A pool of connections to one provider; safe to share between tasks and between event loops."""

    def __init__(
        self, base_url: str, headers: Mapping[str, str], limits: Limits = PATIENCE, route: Route = USUAL
    ) -> None:
        self._place = place_of(base_url)
        self._base = f"http{'s' * self._place.secure}://{self._place.authority}{self._place.path}"
        self._route = route
        self._literal = ":" in self._place.host or self._place.host.replace(".", "").isdigit()
        self._headers = dict(headers)
        if wrong := [name for name, value in headers.items() if not is_line(name + value)]:
            raise InvalidInput(
                f"the header {wrong[0]!r} is not one line of plain text", "does the key hold a line break or an accent?"
            )
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
        if not is_target(path):
            raise unsent(f"{path!r} is no path below the base URL")
        if wrong := [name for name, value in (headers or {}).items() if not is_line(name + value)]:
            raise unsent(f"the header {wrong[0]!r} is not one line of plain text")
        try:
            if self._literal:
                await self._route.addresses(self._place.host, self._place.port)
            async with self._session().post(
                self._base + path, data=content, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                received = {name.lower(): value for name, value in response.headers.items()}
                async with aclosing(self._bounded(response.content)) as pieces:
                    yield Reply(response.status, received, pieces)
        except TimeoutError as problem:
            raise timed_out(not isinstance(problem, aiohttp.ConnectionTimeoutError)) from None
        except aiohttp.ClientConnectorError as problem:
            raise unreached(problem.strerror or type(problem).__name__) from None
        except (aiohttp.ClientError, OSError) as problem:
            raise broken(type(problem).__name__) from None

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
                connector=aiohttp.TCPConnector(
                    limit=0,
                    limit_per_host=0,
                    use_dns_cache=False,
                    keepalive_timeout=30,
                    resolver=_resolver(self._route),
                    ssl=self._route.trust or True,
                ),
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
                raise too_long()
            yield piece


def _resolver(route: Route) -> Any:
    import socket

    from aiohttp.abc import AbstractResolver, ResolveResult

    class Checked(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
            return [
                ResolveResult(
                    hostname=host, host=address, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                )
                for address in await route.addresses(host, port)
            ]  # fmt: skip

        async def close(self) -> None:
            return None

    return Checked()
