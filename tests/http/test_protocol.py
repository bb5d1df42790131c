"""One connection as clients see it: requests in a row, in pieces and at once, answers whole and in pieces, ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from headgate.http.connection import GuardedProtocol, WhileConnected
from headgate.http.exchange import Exchange, Gone

_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain\r\ncontent-length: 34\r\nconnection: close\r\n\r\n"
    b"the request did not arrive in time"
)


class Echo:
    """An application that does as the path says; `left` counts clients that left, `running` requests that run."""

    def __init__(self) -> None:
        self.left = self.running = 0
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = Exchange(scope, receive, send)
        self.asked.append(exchange.path)
        self.running += 1
        try:
            await getattr(self, exchange.path.strip("/"))(exchange)
        except Gone:
            self.left += 1
        finally:
            self.running -= 1

    async def body(self, exchange: Exchange) -> None:
        await exchange.bytes(200, await exchange.body(2**20), b"text/plain")

    async def early(self, exchange: Exchange) -> None:
        await exchange.bytes(403, b"no", b"text/plain")

    async def large(self, exchange: Exchange) -> None:
        await exchange.bytes(200, b"x" * 2**20, b"text/plain")

    async def pieces(self, exchange: Exchange) -> None:
        await exchange.start(200, [])
        for piece in (b"one", b"", b"two"):
            await exchange.write(piece, more=True)
        await exchange.write(b"")

    async def nothing(self, exchange: Exchange) -> None:
        await exchange.start(204, [])
        await exchange.write(b"")

    async def slow(self, exchange: Exchange) -> None:
        await exchange.body(2**20)
        await asyncio.sleep(0.2)
        await exchange.bytes(200, b"slow", b"text/plain")

    async def forever(self, exchange: Exchange) -> None:
        await exchange.body(2**20)
        with WhileConnected(exchange):
            await asyncio.sleep(60)

    async def flood(self, exchange: Exchange) -> None:
        await exchange.body(2**20)
        with WhileConnected(exchange):
            await exchange.start(200, [])
            while True:
                await exchange.write(b"x" * 2**16, more=True)

    async def split(self, exchange: Exchange) -> None:
        await exchange.bytes(200, b"", b"text/plain", [(b"x-name", b"a\r\nset-cookie: evil")])

    async def short(self, exchange: Exchange) -> None:
        await exchange.start(200, [(b"content-length", b"10")])
        await exchange.write(b"less")

    async def broken(self, exchange: Exchange) -> None:
        raise SystemError("a bug")


class Small:
    """A server of the application with limits of half a second."""

    def __init__(self, app: Echo) -> None:
        self.app = app
        config = uvicorn.Config(app, port=0, http=GuardedProtocol, ws="none", lifespan="off", log_config=None,
                                log_level=60, server_header=False, timeout_keep_alive=1, loop="uvloop")  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def connect(self) -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self.port))
        found.settimeout(5)
        return found

    def exchange(self, data: bytes, until: bytes = b"", connection: socket.socket | None = None) -> bytes:
        """Send bytes; return what comes back until it ends with `until`, or until the server closes."""
        with contextlib.nullcontext(connection) if connection else self.connect() as open_:
            open_.sendall(data)
            found = b""
            while not (until and found.endswith(until)) and (piece := open_.recv(65536)):
                found += piece
            return found


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    monkeypatch.setattr(GuardedProtocol, "headers_s", 0.5)
    monkeypatch.setattr(GuardedProtocol, "body_s", 0.5)
    found = Small(Echo())
    yield found
    found.server.should_exit = True
    found.thread.join(10)
    assert not found.thread.is_alive()
    assert not found.server.server_state.tasks


def post(path: str, body: bytes, *lines: str) -> bytes:
    head = [f"POST /{path} HTTP/1.1", "host: here", f"content-length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def test_requests_in_a_row_share_a_connection(small: Small) -> None:
    with small.connect() as connection:
        for number in range(20):
            body = b"%d" % number * 30
            answer = small.exchange(post("body", body), body, connection)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
            assert answer.lower().count(b"content-length: %d\r\n" % len(body)) == 1
            assert b"connection:" not in answer
            assert b"\r\nx-request-id: " in answer


def test_requests_at_once_are_answered_in_their_order(small: Small) -> None:
    sent = post("slow", b"") + post("body", b"first") + post("pieces", b"") + post("body", b"last", "connection: close")
    answer = small.exchange(sent)
    places = [answer.index(word) for word in (b"slow", b"first", b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", b"last")]
    assert places == sorted(places)
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert small.app.asked == ["/slow", "/body", "/pieces", "/body"]


def test_who_reads_slowly_gets_everything_and_no_more_is_written_than_is_read(small: Small) -> None:
    with small.connect() as connection:
        connection.sendall(post("large", b"") * 30)
        time.sleep(0.3)
        assert len(small.app.asked) < 20, "answers wait for the client"
        answer = small.exchange(post("body", b"the end"), b"the end", connection)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 31
    assert answer.count(b"x" * 2**20) == 30


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_request_in_pieces_is_one_request(small: Small, size: int) -> None:
    data = post("body", b"abc" * 40, "x-long: " + "y" * 50)
    with small.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])
        assert small.exchange(b"", b"abc" * 40, connection).count(b" 200 ") == 1


def test_a_head_has_no_body(small: Small) -> None:
    with small.connect() as connection:
        answer = small.exchange(b"HEAD /early HTTP/1.1\r\nhost: here\r\n\r\n", b"\r\n\r\n", connection)
        assert b"content-length: 2\r\n" in answer
        answer = small.exchange(b"HEAD /pieces HTTP/1.1\r\nhost: here\r\n\r\n", b"\r\n\r\n", connection)
        assert b"transfer-encoding" not in answer
        assert small.exchange(post("body", b"next"), b"next", connection).startswith(b"HTTP/1.1 200")
        answer = small.exchange(post("nothing", b""), b"\r\n\r\n", connection)
        assert answer.startswith(b"HTTP/1.1 204 No Content\r\n")
        assert b"transfer-encoding" not in answer


@pytest.mark.parametrize(
    "sent", [b"POST /body HTTP/1.0\r\ncontent-length: 2\r\n\r\nhi", post("body", b"hi", "connection: close")]
)
def test_a_connection_that_shall_close_is_closed(small: Small, sent: bytes) -> None:
    answer = small.exchange(sent + b"GET /early HTTP/1.1\r\n\r\n")
    assert answer.count(b"connection: close\r\n") == 1
    assert answer.endswith(b"\r\n\r\nhi")


def test_a_client_that_asks_first_is_told_to_go_on(small: Small) -> None:
    with small.connect() as connection:
        head = post("body", b"hello", "expect: 100-continue")[: -len(b"hello")]
        assert small.exchange(head, b"\r\n\r\n", connection) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert b" 200 OK" in small.exchange(b"hello", b"hello", connection)
        refused = post("early", b"hello", "expect: 100-continue")[: -len(b"hello")]
        assert b"100 Continue" not in small.exchange(refused, b"no", connection)


def test_an_idle_connection_is_closed_in_time(small: Small) -> None:
    began = time.monotonic()
    assert small.exchange(post("body", b"hi")).endswith(b"hi")
    assert 0.8 < time.monotonic() - began < 3


def test_what_is_answered_before_it_was_sent_has_its_limits_too(small: Small) -> None:
    for rest, least in ((b"", 0.4), (b"hi", 0.8)):
        with small.connect() as connection:
            small.exchange(post("early", b"hi")[:-2], b"no", connection)
            began = time.monotonic()
            connection.sendall(rest)
            assert connection.recv(4096) == (b"" if rest else _LATE)
            assert least < time.monotonic() - began < 3


def test_a_connection_in_use_is_not_closed(small: Small) -> None:
    with small.connect() as connection:
        for _ in range(4):
            time.sleep(0.4)
            assert b" 200 OK" in small.exchange(post("body", b"hi"), b"hi", connection)


def test_a_header_cannot_end_its_line(small: Small) -> None:
    answer = small.exchange(post("split", b""))
    assert b"evil" not in answer
    assert answer.startswith(b"HTTP/1.1 500 ")


def test_a_bug_is_an_answer_or_the_end_of_the_connection(small: Small) -> None:
    assert small.exchange(post("broken", b"")).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"less" not in small.exchange(post("short", b""))
    assert small.exchange(post("body", b"still here"), b"still here")


@pytest.mark.parametrize("path", ["forever", "flood"])
def test_who_leaves_is_noticed_at_once(small: Small, path: str, wait_for: Callable[..., Any]) -> None:
    connections = [small.connect() for _ in range(20)]
    for connection in connections:
        connection.sendall(post(path, b""))
    assert wait_for(lambda: small.app.running == 20)
    time.sleep(0.1)
    for connection in connections:
        connection.close()
    assert wait_for(lambda: small.app.left == 20, 1.0)
    assert wait_for(lambda: not small.server.server_state.tasks, 1.0)
    assert not small.server.server_state.connections


def test_who_leaves_after_a_large_body_is_noticed_too(small: Small, wait_for: Callable[..., Any]) -> None:
    """Reading stops while a large body waits to be taken, and goes on once it was."""
    with small.connect() as connection:
        connection.sendall(post("forever", b"x" * 300_000))
        assert wait_for(lambda: small.app.running == 1)
        time.sleep(0.1)
    assert wait_for(lambda: small.app.left == 1, 1.0)


def test_who_leaves_while_requests_wait_cancels_the_one_that_runs(small: Small, wait_for: Callable[..., Any]) -> None:
    connection = small.connect()
    connection.sendall(post("forever", b""))
    assert wait_for(lambda: small.app.running == 1)
    connection.sendall(post("body", b"never"))
    connection.close()
    assert wait_for(lambda: small.app.left == 1, 1.0)
    assert small.app.asked == ["/forever"]


def test_connections_leave_nothing_behind(small: Small, wait_for: Callable[..., Any]) -> None:
    """Without a look of the collector, when the loop that serves has let go of them."""
    with small.connect() as connection:
        assert small.exchange(post("body", b"hi"), b"hi", connection)
        known = [weakref.ref(each) for each in small.server.server_state.connections]
        assert len(known) == 1
        gc.disable()
        try:
            connection.close()
            assert wait_for(lambda: known[0]() is None, 3.0)
        finally:
            gc.enable()


class Elsewhere:
    """Another ASGI server: it says by a message that the client left."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.exchange = Exchange({"method": "POST", "path": "/", "headers": []}, self.receive, self.send)

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None: ...


def test_other_servers_tell_by_a_message() -> None:
    async def leaves(stays: bool) -> bool:
        server = Elsewhere()
        if not stays:
            asyncio.get_running_loop().call_later(0.01, server.left.set)
        with WhileConnected(server.exchange):
            await asyncio.sleep(0.05 if stays else 10)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        return True

    assert asyncio.run(leaves(stays=True))
    with pytest.raises(Gone):
        asyncio.run(leaves(stays=False))


def test_a_cancel_of_the_server_is_no_leaving() -> None:
    async def cancelled() -> None:
        server = Elsewhere()
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.01, task.cancel)
        with WhileConnected(server.exchange):
            await asyncio.sleep(10)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
