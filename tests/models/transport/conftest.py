"""A server that says what a test tells it to, byte for byte, in a thread of its own; and both event loops."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from headgate.models.transport import Transport

ON_BOTH_LOOPS = {"test_pool.py", "test_tls.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], Any]]:
    """Run what opens connections on both event loops: the server has one, commands have the other."""
    plain: dict[str, Callable[[], Any]] = {"asyncio": asyncio.new_event_loop}
    return plain | {"uvloop": uvloop.new_event_loop} if item.path.name in ON_BOTH_LOOPS else plain


@dataclass
class Peer:
    """One server: where it is, and what it was sent, one entry for a request."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    names: list[str | None] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Line:
    """The server's end of one connection."""

    peer: Peer
    socket: socket.socket

    def hear(self) -> bytes:
        """Return the next request, head and body; empty when the client has gone."""
        heard = b""
        while b"\r\n\r\n" not in heard:
            piece = self.socket.recv(65536)
            if not piece:
                return b""
            heard += piece
        head, _, body = heard.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        rest, left = [body], length - len(body)
        while left > 0:
            rest.append(self.socket.recv(1 << 20))
            left -= len(rest[-1])
        self.peer.requests.append(head + b"\r\n\r\n" + b"".join(rest))
        return self.peer.requests[-1]

    def say(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def until_gone(self) -> None:
        """Wait for the client to close."""
        with suppress(OSError):
            while self.socket.recv(65536):
                pass


Script = Callable[[Line], None]
Talk = Callable[..., AbstractContextManager[Peer]]


@contextmanager
def talking(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    peer, threads = Peer(listener.getsockname()[1]), []

    def serve(accepted: socket.socket) -> None:
        with suppress(OSError), accepted:
            if tls is None:
                script(Line(peer, accepted))
            else:
                with tls.wrap_socket(accepted, server_side=True) as secured:
                    script(Line(peer, secured))

    def accept() -> None:
        while not peer.stopped.is_set():
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            accepted.settimeout(10)
            peer.connections += 1
            threads.append(threading.Thread(target=serve, args=(accepted,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield peer
    finally:
        peer.stopped.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)
        for thread in threads:
            thread.join(5)


@pytest.fixture
def talk() -> Talk:
    return talking


@pytest.fixture
async def made() -> AsyncIterator[Callable[..., Transport]]:
    """Make transports that are closed when the test ends, with nothing left in use."""
    built: list[Transport] = []

    def make(url: str, **how: Any) -> Transport:
        built.append(Transport(url, {}, **how))
        return built[-1]

    yield make
    for transport in built:
        assert transport.active == 0
        pool = transport.pool()
        await transport.close()
        assert pool.opened == 0
