"""The connections of one transport in one event loop: opened where the route allows, kept while they may be used again.

Called by `client`. It bounds how long opening takes; it never retries a call.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache

from .connection import Connection
from .failures import timed_out, unreached, untrusted
from .reply import Limits
from .resolving import Route
from .urls import Place

_MOST_WAITING = 256


class Pool:
    """Belongs to one event loop. `active`: calls that have a connection, or wait for one."""

    def __init__(self, place: Place, limits: Limits, route: Route) -> None:
        self._place, self._limits, self._route = place, limits, route
        self.loop = asyncio.get_running_loop()
        self._waiting: list[Connection] = []
        self._all: set[Connection] = set()
        self._look_up: asyncio.Task[list[str]] | None = None
        self.active = 0

    @property
    def opened(self) -> int:
        """Connections that are open, in use or waiting."""
        return len(self._all)

    def waiting(self) -> Connection | None:
        """Return an open connection for one call, if one waits."""
        while self._waiting:
            found = self._waiting.pop()
            if found.is_fresh():
                return found
            found.cut()
        return None

    async def open(self, total: float) -> Connection:
        """Open a connection for one call. Raises ProviderError, always with `reached` False."""
        try:
            async with asyncio.timeout(min(self._limits.connect, total)) as limit:
                return await self._open(limit)
        except TimeoutError:
            raise timed_out(reached=False) from None
        except ssl.SSLError as problem:
            raise untrusted(getattr(problem, "verify_message", "") or problem.reason or "it failed") from None
        except OSError as problem:
            raise unreached(problem.strerror or str(problem) or type(problem).__name__) from None

    def give_back(self, connection: Connection) -> None:
        if connection.release():
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(connection)
            else:
                connection.cut()

    async def close(self) -> None:
        """Cut every connection, and wait until the loop has let go of them."""
        for connection in list(self._all):
            connection.cut()
        self._waiting.clear()
        for _ in range(100):
            if not self._all:
                return
            await asyncio.sleep(0)

    async def _open(self, limit: asyncio.Timeout) -> Connection:
        """Connect to the first address that answers; each may take its share of the time that is left."""
        trust = (self._route.trust or await asyncio.to_thread(usual_trust)) if self._place.secure else None
        addresses = await self._addresses()
        for left in range(len(addresses), 0, -1):
            now = self.loop.time()
            share = ((limit.when() or now) - now) / left
            try:
                async with asyncio.timeout(share if left > 1 else None):
                    return await self._connect(addresses[-left], trust)
            except ssl.SSLError:
                raise
            except OSError:
                if left == 1:
                    raise
        raise OSError("the name has no address")

    async def _connect(self, address: str, trust: ssl.SSLContext | None) -> Connection:
        connection = Connection(self.loop, self._limits.idle, self._lost)
        try:
            await self.loop.create_connection(
                lambda: connection,
                address,
                self._place.port,
                ssl=trust,
                server_hostname=self._place.host if trust else None,
            )
        except BaseException:
            connection.cut()
            raise
        self._all.add(connection)
        if connection.lost:
            self._all.discard(connection)
            raise ConnectionResetError("it was closed at once")
        return connection

    async def _addresses(self) -> list[str]:
        """Ask for the addresses once for all calls that wait for them at the same time."""
        if self._look_up is None:
            self._look_up = self.loop.create_task(self._route.addresses(self._place.host, self._place.port))
            self._look_up.add_done_callback(self._looked_up)
        return await asyncio.shield(self._look_up)

    def _looked_up(self, task: asyncio.Task[list[str]]) -> None:
        self._look_up = None
        if not task.cancelled():
            task.exception()  # seen here, should every call that waited for it have left

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if not connection.busy and connection in self._waiting:
            self._waiting.remove(connection)


@cache
def usual_trust() -> ssl.SSLContext:
    """Return whom the system trusts. Reading its certificates takes tens of milliseconds, so once, and in a thread."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
