"""What a server refuses before it costs anything: bodies, headers, slowness, lies (P23)."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

import pytest

from headgate.http.connection import GuardedProtocol

MiB = 2**20


def talk(connection: socket.socket, data: bytes, seconds: float = 10.0) -> bytes:
    """Send bytes and return everything that comes back until the other side closes or falls silent."""
    connection.settimeout(seconds)
    with contextlib.suppress(OSError):
        connection.sendall(data)
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
            if b"\r\n\r\n" in answer and b"connection: close" not in answer.lower():
                break
    except OSError:
        pass
    return answer


def head(path: str = "/v1/chat/completions", *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "host: localhost", *lines, "", ""]).encode()


@pytest.mark.parametrize(("path", "limit"), [("/v1/chat/completions", 10), ("/api/key/list", 64)])
def test_a_body_that_is_declared_too_large_is_refused_unread(server: Any, path: str, limit: int) -> None:
    with server.raw() as connection:
        answer = talk(connection, head(path, f"content-length: {limit * MiB + 1}"))
    assert b" 413 " in answer


def test_a_body_that_grows_too_large_is_refused(server: Any) -> None:
    chunk = b"100000\r\n" + b" " * MiB + b"\r\n"
    with server.raw() as connection:
        answer = talk(
            connection, head("/v1/chat/completions", "transfer-encoding: chunked") + chunk * 12 + b"0\r\n\r\n"
        )
    assert b" 413 " in answer


def test_a_large_body_within_the_limit_is_read(server: Any) -> None:
    body = server.chat("Within how many days can I return a device? " + "x" * (2 * MiB))
    status, _, _ = server.request("POST", "/v1/chat/completions", body)
    assert status != 413


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'{"a":' * 70 + b"1" + b"}" * 70, b"\xff\xfe", b'{"a": 1e999}',
                                  b'{"model": 99999999999999999999999}', b"null", b""])  # fmt: skip
def test_bodies_that_are_no_modest_json_get_400(server: Any, body: bytes) -> None:
    status, found, _ = server.request("POST", "/v1/chat/completions", body)
    assert status == 400
    assert found["error"]["type"] == "invalid_request_error"
    if body:
        status, found, headers = server.request("POST", "/api/key/list", body)
        assert status == 400
        assert headers["content-type"] == "application/problem+json"


def test_compressed_bodies_are_refused(server: Any) -> None:
    status, _, _ = server.request("POST", "/v1/chat/completions", b"\x1f\x8b", headers={"content-encoding": "gzip"})
    assert status == 415


@pytest.mark.parametrize(
    "lines",
    [[f"x-{number}: {'a' * 1000}" for number in range(80)], ["x-long: " + "a" * 70_000], ["cookie: " + "b" * 300_000]],
)
def test_headers_over_64_kib_are_refused(server: Any, lines: list[str]) -> None:
    with server.raw() as connection:
        answer = talk(connection, head("/v1/chat/completions", *lines, "content-length: 0"))
    assert b" 431 " in answer or answer == b""
    assert b" 200 " not in answer


def test_a_header_that_never_ends_is_cut(server: Any) -> None:
    with server.raw() as connection:
        answer = talk(connection, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-a: " + b"a" * (4 * MiB))
    assert b" 200 " not in answer


@pytest.mark.parametrize(
    "lines",
    [
        ["content-length: 5", "content-length: 6"], ["content-length: 5", "transfer-encoding: chunked"],
        ["content-length: -1"], ["content-length: five"], ["transfer-encoding: chunked, gzip", "content-length: 2"],
    ],
)  # fmt: skip
def test_requests_that_lie_about_their_length_are_refused(server: Any, lines: list[str]) -> None:
    with server.raw() as connection:
        answer = talk(connection, head("/v1/chat/completions", *lines) + b"{}abc")
    assert b" 400 " in answer


def test_a_body_longer_than_declared_is_no_second_request(server: Any) -> None:
    smuggled = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with server.raw() as connection:
        answer = talk(
            connection, head("/v1/chat/completions", "content-length: 2", "connection: close") + b"{}" + smuggled
        )
    assert b"headgate_requests" not in answer


def test_an_unknown_host_is_not_answered(server: Any) -> None:
    for path in ("/healthz", "/v1/models", "/api/key/list", "/metrics"):
        status, _, _ = server.request("GET", path, headers={"host": "evil.example"})
        assert status == 421


def test_a_page_of_another_site_is_no_local_administrator(server: Any) -> None:
    status, _, _ = server.request("POST", "/api/key/list", {}, headers={"origin": "https://evil.example"})
    assert status == 401


@pytest.mark.slow
def test_slow_headers_are_cut_after_ten_seconds(server: Any) -> None:
    """Somebody who sends a byte now and then holds a connection no longer than the limit."""
    with server.raw() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        began = time.monotonic()
        connection.settimeout(1)
        while time.monotonic() - began < 20:
            try:
                connection.sendall(b"x")
                if connection.recv(4096) is not None:
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert 8 < time.monotonic() - began < 14


def test_slow_and_silent_connections_are_cut(quick_server: Any) -> None:
    """The same with short limits, for headers, for bodies and for silence."""
    for sent, expected in (
        (b"", b""),
        (b"GET /healthz HTTP/1.1\r\nhost: lo", b" 408 "),
        (head("/v1/chat/completions", "content-length: 10") + b"{", b" 408 "),
    ):
        with quick_server() as connection:
            began = time.monotonic()
            answer = talk(connection, sent, 5)
            assert expected in answer
            assert time.monotonic() - began < 3


def test_a_slow_but_honest_client_is_served(quick_server: Any) -> None:
    request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with quick_server() as connection:
        for _ in range(3):
            for start in range(0, len(request), 16):
                connection.sendall(request[start : start + 16])
                time.sleep(0.01)
            assert b" 200 " in talk(connection, b"")


@pytest.fixture
def quick_server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An application behind the connection guard with limits of half a second; gives a function that connects."""
    import threading

    import uvicorn

    monkeypatch.setattr(GuardedProtocol, "headers_s", 0.5)
    monkeypatch.setattr(GuardedProtocol, "body_s", 0.5)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        if message["type"] == "http.disconnect":
            return
        body = json.dumps({"status": "ok"}).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(app, port=0, http=GuardedProtocol, ws="none", lifespan="off", log_config=None, log_level=60)
    found = uvicorn.Server(config)
    thread = threading.Thread(target=found.run, daemon=True)
    thread.start()
    while not found.started:
        time.sleep(0.01)
    port = found.servers[0].sockets[0].getsockname()[1]
    yield lambda: socket.create_connection(("127.0.0.1", port))
    found.should_exit = True
    thread.join(5)
