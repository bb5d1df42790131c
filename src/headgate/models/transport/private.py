"""Which addresses an outbound call may connect to: public ones, and private ones that the settings name (P21).

Called by `resolving`, with every address that a name has. Nothing here does I/O.
Sources: the special-purpose registries of RFC 6890 as of 2026; RFC 6598 (carrier-grade NAT), 4291, 6052, 3056, 4380.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from headgate.kernel import InvalidInput

Address = IPv4Address | IPv6Address
SETTING = "HEADGATE_PRIVATE_HOSTS"

_PRIVATE = tuple(
    ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
_GLOBAL_6 = IPv6Network("2000::/3")
_EMBEDDING = tuple(IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "64:ff9b::/96"))
_LAST_32 = 0xFFFFFFFF
_UNLISTED = tuple(ip_network(text) for text in ("192.88.99.0/24", "3fff::/20", "2001::/23"))
"""What is not public although Python 3.11's tables do not say so: old relays and newer documentation ranges."""


@dataclass(frozen=True, slots=True)
class PrivateHosts:
    """The hosts that may be at addresses that are not public.

    networks: open to every host. names: hosts that may be at a private or loopback address, whatever it is; `.end`
    stands for every name below it. local: whether a host written as a loopback address or `localhost` may be just that.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    names: frozenset[str] = frozenset()
    local: bool = False

    def refusal(self, host: str, address: str) -> str:
        """Return why `host` may not be reached at `address`: a few words, empty when it may."""
        found = ip_address(address.partition("%")[0])
        kind = kind_of(found)
        if not kind:
            return ""
        if any(found in network for network in self.networks):
            inner = _inside(found)
            return self.refusal(host, str(inner)) if inner else ""
        if kind == "loopback" and self.local and _is_local(host):
            return ""
        return "" if kind in ("loopback", "private") and self._named(host) else kind

    def _named(self, host: str) -> bool:
        return host in self.names or any(name[0] == "." and host.endswith(name) for name in self.names)


LOCAL = PrivateHosts(local=True)
"""The default: a model server on this machine, addressed as such, and nothing else that is private."""


def private_hosts(text: str) -> PrivateHosts:
    """Read the setting: networks, addresses, host names, `*.ends` and `localhost`, comma separated; `none` is nothing.

    Raises InvalidInput naming the entry.
    """
    networks, names, local = [], set(), False
    for entry in filter(None, (part.strip().lower() for part in text.split(","))):
        if entry in ("localhost", "none"):
            local = local or entry == "localhost"
        elif entry[0].isdigit() or ":" in entry:
            try:
                networks.append(ip_network(entry))
            except ValueError as problem:
                raise InvalidInput(f"{SETTING}: {problem}", "write an address or a network, as in 10.0.0.0/8") from None
        elif entry.removeprefix("*.").replace("-", "").replace("_", "").replace(".", "").isalnum():
            names.add(entry.removeprefix("*"))
        else:
            raise InvalidInput(f"{SETTING}: {entry!r} is no network and no host name", "write 10.0.0.0/8 or *.internal")
    return PrivateHosts(tuple(networks), frozenset(names), local)


def kind_of(address: Address) -> str:
    """Return what makes an address other than public, empty for a public one."""
    for kind, held in (
        ("unspecified", address.is_unspecified),
        ("loopback", address.is_loopback),
        ("link-local", address.is_link_local),
        ("multicast", address.is_multicast),
        ("an IPv4 address inside an IPv6 one", _inside(address) is not None),
        ("private", any(address in network for network in _PRIVATE)),
        ("reserved", not _is_public(address)),
    ):
        if held:
            return kind
    return ""


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_reserved or any(address in network for network in _UNLISTED):
        return False
    return address.version == 4 or address in _GLOBAL_6


def _inside(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for: mapped, compatible, translated (NAT64), 6to4 or Teredo."""
    if isinstance(address, IPv4Address):
        return None
    if any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & _LAST_32)
    return address.sixtofour or (address.teredo[1] if address.teredo else None)


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
