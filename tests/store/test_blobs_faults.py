"""A bucket that refuses, breaks, stalls or lies: what is told, how soon, and that no key is ever shown.

Between the blobs and a real S3-compatible server stands a proxy on loopback, which does the damage.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from headgate.kernel import Corrupt, HeadgateError, InvalidInput, NotFound, Unavailable
from headgate.store import Blobs, Bucket

CONTENT = b"page " * 200
DENIED = b"""<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIATESTTESTTEST
</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256 not-to-be-shown</StringToSign></Error>"""
MOVED = b"<Error><Code>PermanentRedirect</Code><Endpoint>models.s3.amazonaws.com</Endpoint></Error>"


class Proxy(ThreadingHTTPServer):
    """Passes requests on to `upstream` and does `fault` to their answers, `times` times."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Middle)
        self.upstream = urlsplit(upstream)
        self.fault, self.times, self.requests = "", 0, 0
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def misbehave(self, fault: str, times: int = 10**6) -> None:
        self.fault, self.times, self.requests = fault, times, 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is none of the test's business."""


class Middle(BaseHTTPRequestHandler):
    """One connection through the proxy."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_any(self) -> None:
        server = self.server
        server.requests += 1
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = server.fault if server.times > 0 else ""
        server.times -= 1
        if fault == "stall":
            server.released.wait(30)
            self.close_connection = True
        elif fault in ("500", "503"):
            self.reply(int(fault), b"<Error><Code>SlowDown</Code></Error>")
        elif fault == "denied":
            self.reply(403, DENIED)
        elif fault == "moved":
            self.reply(301, MOVED)
        else:
            self.passed_on(flipped(body) if fault == "flip up" and body else body, fault)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = do_any

    def passed_on(self, body: bytes, fault: str) -> None:
        connection = http.client.HTTPConnection(str(self.server.upstream.netloc), timeout=30)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        found, headers = answer.read(), dict(answer.getheaders())
        connection.close()
        if self.command == "GET" and fault == "flip":
            found = flipped(found)
        if self.command == "GET" and fault == "short":
            found = found[:-7]
        self.reply(answer.status, found, headers, cut=self.command == "GET" and fault == "cut")

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        length = (headers or {}).get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("content-length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def log_message(self, format: str, *args: Any) -> None:
        pass


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.fixture
def proxy(s3: str) -> Iterator[Proxy]:
    server = Proxy(s3)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def far(place: Any, proxy: Proxy) -> Blobs:
    """Blobs behind the proxy, patient for one second."""
    return Blobs(place.url, replace(place.bucket, endpoint=proxy.url, timeout_s=1.0))


def told(action: Any, *arguments: Any, within_s: float = 2.0) -> HeadgateError:
    """Return the error of an action, which comes soon and shows no key."""
    began = time.monotonic()
    with pytest.raises(HeadgateError) as caught:
        action(*arguments)
    assert time.monotonic() - began < within_s
    shown = f"{caught.value.message} {caught.value.hint}"
    assert "AKIATEST" not in shown
    assert "not-to-be-shown" not in shown
    assert "\n" not in shown
    return caught.value


def test_a_refusal_names_what_to_check(far: Blobs, proxy: Proxy) -> None:
    digest = far.put(CONTENT)
    proxy.misbehave("denied")
    for action, argument in ((far.put, b"other"), (far.get, digest), (far.has, digest)):
        problem = told(action, argument)
        assert isinstance(problem, Unavailable)
        assert problem.code == "blobs_refused"
        assert "AWS_SECRET_ACCESS_KEY" in problem.hint
    assert "SignatureDoesNotMatch" in told(far.get, digest).message


def test_a_missing_bucket_is_not_a_missing_blob(place: Any) -> None:
    blobs = Blobs("s3://absent/prefix", place.bucket)
    digest = Blobs("memory://").put(CONTENT)
    for action, argument in ((blobs.put, CONTENT), (blobs.get, digest), (blobs.probe, None)):
        problem = told(action, *([] if argument is None else [argument]))
        assert isinstance(problem, Unavailable)
        assert "no bucket absent" in problem.message
    with pytest.raises(NotFound):
        Blobs(place.url, place.bucket).get(digest)


def test_another_region_is_told(far: Blobs, proxy: Proxy) -> None:
    proxy.misbehave("moved")
    problem = told(far.put, CONTENT)
    assert "region" in problem.message
    assert "AWS_REGION" in problem.hint


@pytest.mark.parametrize("fault", ["500", "503"])
def test_a_broken_server_is_tried_again_then_told(far: Blobs, proxy: Proxy, fault: str) -> None:
    proxy.misbehave(fault, times=2)
    digest = far.put(CONTENT)
    proxy.misbehave(fault, times=2)
    assert far.get(digest) == CONTENT
    proxy.misbehave(fault)
    assert isinstance(told(far.get, digest), Unavailable)
    assert 2 <= proxy.requests <= 5
    assert isinstance(told(far.put, b"other"), Unavailable)


def test_a_silent_server_is_given_up_on(far: Blobs, proxy: Proxy) -> None:
    digest = far.put(CONTENT)
    proxy.misbehave("stall")
    for action, argument in ((far.get, digest), (far.put, b"other"), (far.has, digest)):
        problem = told(action, argument)
        assert "in time" in problem.message
        assert "HEADGATE_BLOBS_TIMEOUT" in problem.hint


def test_a_server_that_is_down_is_told_with_its_address(place: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    blobs = Blobs(place.url, replace(place.bucket, endpoint=f"http://127.0.0.1:{port}"))
    problem = told(blobs.put, CONTENT, within_s=5)
    assert "cannot be reached" in problem.message
    assert f"127.0.0.1:{port}" in problem.message
    assert "AWS_ENDPOINT_URL" in problem.hint


@pytest.mark.slow
def test_a_dead_server_is_told_in_ten_seconds_by_default(place: Any, proxy: Proxy) -> None:
    """Nothing takes the connection, as behind a firewall: the backlog of a socket that accepts nobody is full."""
    proxy.misbehave("stall")
    told(Blobs(place.url, replace(place.bucket, endpoint=proxy.url)).put, CONTENT, within_s=11)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(full.getsockname())
            waiting.append(one)
        address = f"http://127.0.0.1:{full.getsockname()[1]}"
        told(Blobs(place.url, replace(place.bucket, endpoint=address)).put, CONTENT, within_s=11)
        for one in waiting:
            one.close()


def test_an_answer_that_breaks_off_is_tried_again_then_told(far: Blobs, proxy: Proxy) -> None:
    digest = far.put(CONTENT)
    proxy.misbehave("cut", times=1)
    assert far.get(digest) == CONTENT
    proxy.misbehave("cut")
    assert isinstance(told(far.get, digest), Unavailable)


@pytest.mark.parametrize("fault", ["flip", "short"])
@pytest.mark.parametrize("size", [1_000, 26 * 2**20], ids=["small", "in parts"])
def test_an_answer_with_other_bytes_is_corrupt(far: Blobs, proxy: Proxy, fault: str, size: int) -> None:
    digest = far.put(b"x" * size)
    proxy.misbehave(fault)
    assert isinstance(told(far.get, digest, within_s=10), Corrupt)
    proxy.misbehave("")
    assert far.get(digest) == b"x" * size


def test_bytes_that_change_on_their_way_up_are_not_acknowledged(far: Blobs, proxy: Proxy) -> None:
    proxy.misbehave("flip up")
    assert "did not store what was sent" in told(far.put, CONTENT).message
    proxy.misbehave("")
    digest = far.put(CONTENT)
    assert far.get(digest) == CONTENT


def test_a_server_whose_tags_are_no_md5_is_read_back(far: Blobs, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with KMS: nothing but the bytes themselves proves what was stored."""
    monkeypatch.setattr("headgate.store.blobs.blobs._e_tag", lambda content: '"other"')
    proxy.misbehave("", times=0)
    digest = far.put(CONTENT)
    assert proxy.requests == 3, "looked, written, read back"
    far.put(CONTENT)
    assert proxy.requests == 5, "looked, read"
    assert far.get(digest) == CONTENT


def test_without_credentials_it_is_told_what_to_set(place: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    blobs = Blobs(place.url, Bucket(proxy.url, "eu-central-1", timeout_s=1.0))
    problem = told(blobs.put, CONTENT, within_s=8)
    assert "no credentials" in problem.message
    assert "AWS_ACCESS_KEY_ID" in problem.hint


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix", "s3://key:not-to-be-shown@models/x", "nonsense://x"])
def test_an_address_that_is_none_is_told(url: str, place: Any) -> None:
    assert isinstance(told(Blobs(url, place.bucket).put, CONTENT), InvalidInput)
