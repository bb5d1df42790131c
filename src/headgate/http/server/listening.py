"""The sockets that a server listens on: one for a process alone, one each for workers that share an address.

Called by `serve` and `workers`. Workers share by SO_REUSEPORT: the system spreads connections over them, and those of
a worker that died go elsewhere. One socket inherited by all is emptied by whoever wakes first: of 64 connections that
came at once, one of four workers took 41 and two got none (`benchmarks/bench_workers.py`).
"""

from __future__ import annotations

import socket

from headgate.kernel import InvalidInput
from headgate.platform import ServerSettings

_BACKLOG = 2048


def listen(settings: ServerSettings) -> socket.socket:
    """Listen on the address. Raises InvalidInput with what to do when it is taken or no address of this machine."""
    listener = _bound(settings.host, _port(settings), shared=False)
    _open(listener)
    return listener


def reserve(settings: ServerSettings) -> socket.socket:
    """Take the address for workers, without listening on it; hold it as long as they live. Raises as `listen`.

    Sockets that share an address do not notice each other, so it is taken alone first: an address that another
    server uses is refused, never shared with it by accident.
    """
    alone = _bound(settings.host, _port(settings), shared=False)
    port = alone.getsockname()[1]
    alone.close()
    return _bound(settings.host, port, shared=True)


def listen_beside(reserved: socket.socket) -> socket.socket:
    """Listen on a reserved address, beside others that do. Raises InvalidInput when it cannot be had."""
    host, port = reserved.getsockname()[:2]
    listener = _bound(host, port, shared=True)
    _open(listener)
    return listener


def url_of(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _port(settings: ServerSettings) -> int:
    if not settings.port.isdigit() or int(settings.port) > 65535:
        raise InvalidInput(f"{settings.port!r} is no port", "a number up to 65535; 0 takes a free one")
    return int(settings.port)


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        found.bind((host, port))
    except OSError as problem:
        found.close()
        hint = "another program listens there; choose another with --port, or 0 for a free one"
        raise InvalidInput(f"cannot listen on {host}:{port}: {problem.strerror}", hint) from None
    return found


def _open(listener: socket.socket) -> None:
    try:
        listener.listen(_BACKLOG)
    except OSError as problem:
        listener.close()
        hint = "another program listens there; choose another with --port, or 0 for a free one"
        raise InvalidInput(f"cannot listen there: {problem.strerror}", hint) from None
    listener.setblocking(False)
