"""What a request shows of its sender, read from its headers; and which host names are answered at all (decision 12).

Called by the app for every route. Who the sender is, and what they may do, is `platform`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from headgate.kernel import InvalidInput
from headgate.platform import Caller

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_LOOPBACK_PEERS = ("127.", "::1", "::ffff:127.")
_FORWARDED = frozenset(
    {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via", "cf-connecting-ip"}
)


@dataclass(frozen=True, slots=True)
class Door:
    """Which host names are answered: `names` empty for any. `loopback`: whether the server listens on loopback only."""

    names: frozenset[str]
    loopback: bool

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Raise InvalidInput (421) for a request that names a host which is not served here."""
        if self.names and host_name(headers.get("host", "")) not in self.names:
            error = InvalidInput(
                "this server does not answer to that host name", "set HEADGATE_ALLOWED_HOSTS", code="host_not_allowed"
            )
            error.status = 421
            raise error

    def caller(self, headers: Mapping[str, str], peer: str) -> Caller:
        """Return what the request shows: a token, and whether it came straight from this machine, by no web page.

        The token is read from `Authorization: Bearer`, else from `x-api-key`, where Anthropic's clients put it.
        """
        kind, _, token = headers.get("authorization", "").partition(" ")
        near = self._near(headers, peer) and not _from_a_page(headers)
        shown = token.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "").strip()
        return Caller(shown, headers.get("x-headgate-local", ""), near)

    def visitor(self, headers: Mapping[str, str], peer: str, method: str) -> Caller:
        """Return what a visitor of a page shows. A link on another site may lead to a page; only ours send forms."""
        follows = method in ("GET", "HEAD") and headers.get("sec-fetch-dest", "document") == "document"
        return Caller(near=self._near(headers, peer) and (follows or not _from_a_page(headers)))

    def _near(self, headers: Mapping[str, str], peer: str) -> bool:
        """Whether a request came straight from this machine, under one of its own names."""
        return (
            self.loopback
            and peer.startswith(_LOOPBACK_PEERS)
            and host_name(headers.get("host", "")) in _LOOPBACK_NAMES
            and _FORWARDED.isdisjoint(headers)
        )


def door_of(host: str, allowed: str) -> Door:
    """Build the door of a server that listens on `host` and may answer to `allowed` (comma separated, `*` for any)."""
    loopback = is_loopback(host)
    names = frozenset(name.strip().lower() for name in allowed.split(",") if name.strip())
    if "*" in names or (not names and not loopback):
        return Door(frozenset(), loopback)
    return Door(names | _LOOPBACK_NAMES | ({host.lower()} if loopback else set()), loopback)


def is_loopback(host: str) -> bool:
    return host.lower() == "localhost" or host.startswith(_LOOPBACK_PEERS)


@lru_cache(64)
def host_name(host: str) -> str:
    """Return the name of a `Host` header without its port, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _from_a_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser sent this on behalf of a page of another origin."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
