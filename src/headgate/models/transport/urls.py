"""Where a call goes: base URLs from settings, and the paths that providers add to them, each in its one plain form.

Called by `client` and by the options of providers. Whatever can be read in two ways is refused here (P21): what one
parser takes for a host is another's user name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import urlsplit

from headgate.kernel import InvalidInput

_PLAIN = re.compile(r"(?i:https?)://[\x21-\x7e]+")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH = re.compile(r"(/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_TARGET = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|\?|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """A base URL taken apart. host: a name in lower case or an address, without brackets. path: no final slash."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What goes into the `Host` header: the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def checked_url(url: str) -> str:
    """Return a base URL without its final slash. Raises InvalidInput unless it is plain http(s) without user-info."""
    place_of(url)
    return url.rstrip("/")


def place_of(url: str) -> Place:
    """Take a base URL apart. Raises InvalidInput for one that is not plain; the message never repeats user-info."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _not_plain(url) from None
    host = parts.hostname or ""
    bare = parts.netloc.partition(":")[0] if "[" not in parts.netloc else parts.netloc.partition("]")[0] + "]"
    if not _PLAIN.fullmatch(url) or any(mark in url for mark in "@?#\\") or not host or port == 0:
        raise _not_plain(url)
    if not _is_host(host, "[" in bare) or not _PATH.fullmatch(parts.path) or _DOTS.search(parts.path):
        raise _not_plain(url)
    if parts.netloc.endswith(":") or (port is not None and parts.netloc != f"{bare}:{port}"):
        raise _not_plain(url)
    secure = parts.scheme == "https"
    plain = str(IPv6Address(host)) if ":" in host else host
    return Place(secure, plain, port or (443 if secure else 80), parts.path.rstrip("/"))


@lru_cache(maxsize=1024)
def is_target(path: str) -> bool:
    """Whether a path, query included, stays below the base URL and holds nothing but what a request line may."""
    return _TARGET.fullmatch(path) is not None and not _DOTS.search(path)


def is_header(name: str, value: str) -> bool:
    """Whether both can be sent: a token, and one line of printable ASCII."""
    return _TOKEN.fullmatch(name) is not None and value.isascii() and value.isprintable()


def _is_host(host: str, bracketed: bool) -> bool:
    """Whether a host is a plain name, a dotted quad or, in brackets, an IPv6 address without a zone."""
    try:
        if bracketed:
            return "%" not in host and bool(IPv6Address(host))
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            # Decimal, octal, hexadecimal and short forms: the resolver would read them as an address.
            return bool(IPv4Address(host))
    except AddressValueError:
        return False
    return len(host) <= 253 and _NAME.fullmatch(host) is not None


def _not_plain(url: str) -> InvalidInput:
    return InvalidInput(
        f"{url.rpartition('@')[2]!r} is not a base URL",
        "write it as https://host/v1: a host name or a plain address, without user name, query or fragment",
    )
