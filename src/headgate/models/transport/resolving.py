"""From a host to the addresses that may be connected to: looked up once, every one of them checked (P21).

Called by `client`, which connects to what is returned and never looks the name up again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from ssl import SSLContext

from .failures import refused
from .private import LOCAL, SETTING, PrivateHosts

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Returns the addresses of a name, best first. Raises OSError."""


async def look_up(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Route:
    """How the network is reached: which private hosts are open, who resolves, whom TLS trusts (None: as usual)."""

    private: PrivateHosts = LOCAL
    resolve: Resolve = look_up
    trust: SSLContext | None = None

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host. Raises ProviderError for one that must not be reached, OSError without any.

        One bad address among good ones refuses the host: whoever answers for the name decides which one comes first.
        """
        try:
            found = [str(ip_address(host))]
        except ValueError:
            found = await self.resolve(host, port)
        if not found:
            raise OSError("the name has no address")
        for address in found:
            if kind := self.private.refusal(host, address):
                raise refused(host, kind, SETTING)
        return found


USUAL = Route()
