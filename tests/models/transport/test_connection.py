"""What counts as an answer: however its bytes are cut, and whatever is wrong with them. No network."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headgate.models import ProviderError
from headgate.models.transport.connection import HEAD_BYTES, Connection

Outcome = tuple[int, bytes, bool] | tuple[str, str]

SIZED = b"HTTP/1.1 200 OK\r\nX-One: a\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
    b"5;why=this\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n"
)
ANSWERS = {
    "sized": (SIZED, (200, b"hello world", True)),
    "chunked": (CHUNKED, (200, b"hello world", True)),
    "until close": (b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello", (200, b"hello", False)),
    "after interim ones": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SIZED,
        (200, b"hello world", True),
    ),
    "nothing": (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"", True)),
    "empty": (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", (500, b"", True)),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}", False)),
    "old, kept": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}", True)),
}

ILL = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two different lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}",
    "length and chunks": b"HTTP/1.1 200 OK\r\n"
    b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks and length": b"HTTP/1.1 200 OK\r\n"
    b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "coded chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "coded to the end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",
    "identity": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n{}",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "nearly chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}",
    "no colon": b"HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\n{}",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "a bare carriage return": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\n{}",
    "a zero byte": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "a length in words": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
    "no length given": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n{}",
    "a huge length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
    "a chunk of nonsense": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk of -1": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than its size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "a huge chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "TLS": b"\x15\x03\x03\x00\x02\x02\x28",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "a later version": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "an earlier version": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a request": b"POST / HTTP/1.1\r\n\r\n",
    "an upgrade": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    "an endless line": b"HTTP/1.1 200 OK\r\nX: " + b"y" * (HEAD_BYTES + 65536),
    "many headers in one go": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"Content-Length: 0\r\n\r\n",
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
}

CUT = {
    "nothing": b"",
    "in the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "before the body": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    "in the body": SIZED[:-1],
    "in a chunk": CHUNKED[:-20],
    "before the last chunk": CHUNKED[: CHUNKED.index(b"0\r\nX-Sum")],
    "in the trailers": CHUNKED[:-2],
    "after an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
}


class Wire:
    """The loop's half of a connection: takes what is written, can be cut and paused."""

    def __init__(self) -> None:
        self.written, self.cut, self.paused = b"", False, False

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.cut = True

    def is_closing(self) -> bool:
        return self.cut

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None:
        return None


async def hear(*pieces: bytes, eof: bool = True) -> Outcome:
    """Feed the pieces as reads of a socket; return status, body, whether the connection goes on; or what is wrong."""
    wire: Any = Wire()
    connection = Connection(asyncio.get_running_loop(), 5.0, lambda _: None)
    connection.connection_made(wire)
    connection.send(b"request", deadline=asyncio.get_running_loop().time() + 5)
    for piece in pieces:
        if not wire.cut:
            connection.data_received(piece)
    if eof and not wire.cut:
        connection.eof_received()
    if eof or wire.cut:
        connection.connection_lost(None)
    try:
        await connection.head()
        body = b""
        while piece := await connection.piece():
            body += piece
        # The end of what the other end sends is, for whoever asks whether to go on, a lost connection.
        connection.lost = False
        return connection.status, body, connection.release()
    except ProviderError as problem:
        return problem.code if problem.reached and (wire.cut or connection.lost) else "left open", problem.message
    finally:
        connection.connection_lost(None)


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_the_same_wherever_it_is_cut(name: str) -> None:
    raw, expected = ANSWERS[name]
    assert await hear(raw) == expected
    for place in range(1, len(raw)):
        assert await hear(raw[:place], raw[place:]) == expected
    assert await hear(*(raw[place : place + 1] for place in range(len(raw)))) == expected


async def test_headers_are_in_lower_case_and_trailers_are_none_of_them() -> None:
    wire: Any = Wire()
    connection = Connection(asyncio.get_running_loop(), 5.0, lambda _: None)
    connection.connection_made(wire)
    connection.send(b"request", deadline=asyncio.get_running_loop().time() + 5)
    connection.data_received(CHUNKED.replace(b"X-Sum: 1", b"Retry-After: 1"))
    assert connection.headers == {"transfer-encoding": "chunked", "content-type": "text/event-stream"}
    connection.connection_lost(None)


@pytest.mark.parametrize("name", ILL)
async def test_what_can_be_read_in_two_ways_is_refused(name: str) -> None:
    raw = ILL[name]
    found = await hear(raw, eof=False) if name != "another protocol" else await hear(raw)
    assert found[0] == "provider_protocol"
    step = max(len(raw) // 50, 1)
    for place in range(1, min(len(raw), 50_000), step):
        assert (await hear(raw[:place], raw[place:]))[0] == "provider_protocol"


@pytest.mark.parametrize("name", CUT)
async def test_an_answer_that_is_cut_off_is_an_error(name: str) -> None:
    assert (await hear(CUT[name]))[0] == "provider_connection"


@pytest.mark.parametrize(
    "endless",
    [b"1;" + b"x" * 1000, b"0\r\n" + b"X: y\r\n" * 500, b"0\r\nX: " + b"y" * 1000],
    ids=["size", "trailers", "trailer"],
)
async def test_what_is_neither_head_nor_body_is_bounded(endless: bytes) -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" + endless
    more = [(b"X: y\r\n" if b"\r\nX: y" in endless else b"z") * 5_000] * 200
    assert await hear(raw, *more, eof=False) == (
        "provider_protocol",
        "the provider sent more than 65536 bytes of headers",
    )


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(sorted(ANSWERS)),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(min_size=1, max_size=6)), max_size=4),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
@example(name="sized", edits=[], cuts=[])
def test_broken_bytes_end_the_call_the_same_way_however_they_are_cut(
    name: str, edits: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    raw = ANSWERS[name][0]
    for place, kind, new in edits:
        at = place % (len(raw) + 1)
        raw = raw[:at] + (new if kind != 1 else b"") + raw[at + (0 if kind == 0 else len(new)) :]
    marks = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    pieces = [raw[begin:end] for begin, end in pairwise(marks)]
    whole, cut = asyncio.run(both(raw, pieces))
    assert whole == cut
    if isinstance(whole[0], str):
        assert whole[0] in ("provider_protocol", "provider_connection")


async def both(raw: bytes, pieces: list[bytes]) -> tuple[Outcome, Outcome]:
    async with asyncio.timeout(5):
        return await hear(raw), await hear(*pieces)
