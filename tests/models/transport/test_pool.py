"""Connections are used again while that is safe, a call is sent once, leaving closes at once; on both event loops."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from headgate.models import ProviderError
from headgate.models.transport import Limits, PrivateHosts, Route, Transport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def stall(seconds: float) -> None:
    """Let time pass without the loop hearing of anything: only the socket knows what happened."""
    time.sleep(seconds)


async def test_one_connection_carries_call_after_call(talk: Any, made: Any) -> None:
    def script(line: Any) -> None:
        while line.hear():
            line.say(OK)

    with talk(script) as peer:
        transport = made(peer.url)
        for number in range(20):
            assert await transport.post("/x", {"n": number}, 5) == (200, {"content-length": "2"}, b"{}")
        assert (peer.connections, len(peer.requests), transport.pool().opened) == (1, 20, 1)
        await transport.close()


async def test_calls_at_the_same_time_have_connections_of_their_own(talk: Any, made: Any) -> None:
    def script(line: Any) -> None:
        while line.hear():
            time.sleep(0.05)
            line.say(OK)

    with talk(script) as peer:
        transport = made(peer.url)
        for _ in range(3):
            calls = [asyncio.create_task(transport.post("/x", {}, 10)) for _ in range(100)]
            await asyncio.sleep(0.01)
            assert transport.active == 100
            assert {status for status, _, _ in await asyncio.gather(*calls)} == {200}
            assert transport.active == 0
        assert peer.connections == transport.pool().opened <= 100
        await transport.close()


async def test_a_connection_that_the_provider_closed_is_not_used(talk: Any, made: Any) -> None:
    def script(line: Any) -> None:
        line.hear()
        line.say(OK)

    with talk(script) as peer:
        transport = made(peer.url)
        for _ in range(5):
            assert (await transport.post("/x", {}, 5))[0] == 200
            stall(0.02)
        assert (peer.connections, len(peer.requests)) == (5, 5)


async def test_a_call_that_may_have_been_heard_is_never_sent_again(talk: Any, made: Any) -> None:
    def script(line: Any) -> None:
        line.hear()
        line.say(OK)
        line.hear()  # and closes without a word

    with talk(script) as peer:
        transport = made(peer.url)
        await transport.post("/x", {"n": 1}, 5)
        with pytest.raises(ProviderError) as caught:
            await transport.post("/x", {"n": 2}, 5)
        assert [request[-7:] for request in peer.requests] == [b'{"n":1}', b'{"n":2}']
    problem = caught.value
    assert (problem.code, problem.retryable, problem.reached) == ("provider_connection", True, True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=5\r\nContent-Length: 2\r\n\r\n{}",
        OK + OK,
        OK + b"x",
        OK + b"\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["close", "old", "short", "two answers", "more bytes", "interim afterwards"],
)
async def test_a_connection_that_cannot_be_trusted_to_go_on_is_not_used_again(
    talk: Any, made: Any, answer: bytes
) -> None:
    def script(line: Any) -> None:
        line.hear()
        line.say(answer)
        line.until_gone()

    with talk(script) as peer:
        transport = made(peer.url)
        for _ in range(3):
            assert (await transport.post("/x", {}, 5))[::2] == (200, b"{}")
            stall(0.01)
        assert peer.connections == 3
        await transport.close()


async def test_bytes_that_nobody_asked_for_close_the_connection(talk: Any, made: Any) -> None:
    def script(line: Any) -> None:
        line.hear()
        line.say(OK)
        time.sleep(0.05)
        line.say(OK.replace(b"{}", b"[]"))
        line.until_gone()

    with talk(script) as peer:
        transport = made(peer.url)
        for _ in range(2):
            assert (await transport.post("/x", {}, 5))[2] == b"{}"
            await asyncio.sleep(0.15)
            assert transport.pool().opened == 0
        assert peer.connections == 2


async def test_leaving_cuts_the_connection_in_the_same_turn_of_the_loop(talk: Any, made: Any) -> None:
    gone: list[float] = []

    def script(line: Any) -> None:
        line.hear()
        line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        line.until_gone()
        gone.append(time.monotonic())

    with talk(script) as peer:
        transport = made(peer.url)
        async with transport.stream("/x", {}, 5) as reply:
            assert await anext(aiter(reply.pieces)) == b"abc"
            pieces, left = reply.pieces, time.monotonic()
        await asyncio.sleep(0)
        assert transport.pool().opened == 0
        with pytest.raises(ProviderError):
            await anext(aiter(pieces))
    assert gone[0] - left < 0.5


async def test_cancelling_in_every_phase_leaves_nothing(talk: Any, made: Any) -> None:
    def script(line: Any) -> None:
        while line.hear():
            time.sleep(0.002)
            line.say(OK[:30])
            time.sleep(0.002)
            line.say(OK[30:])

    with talk(script) as peer:
        transport = made(peer.url)
        for number in range(200):
            task = asyncio.create_task(transport.post("/x", {}, 5))
            await asyncio.sleep(number % 40 / 5000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert transport.active == 0
        assert (await transport.post("/x", {}, 5))[0] == 200
        assert transport.pool().opened == 1
        await transport.close()


async def test_an_answer_before_the_request_is_whole_counts_and_ends_the_connection(talk: Any, made: Any) -> None:
    def script(line: Any) -> None:
        line.socket.recv(1024)
        line.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
        line.peer.stopped.wait(5)

    with talk(script) as peer:
        transport = made(peer.url)
        assert (await transport.post("/x", {"text": "x" * 30_000_000}, 5))[::2] == (413, b"{}")
        await asyncio.sleep(0)
        assert transport.pool().opened == 0
        await transport.close()


async def test_a_refused_connection_was_not_heard(made: Any) -> None:
    with pytest.raises(ProviderError, match="cannot be reached") as caught:
        await made("http://127.0.0.1:9").post("/x", {}, 5)
    assert (caught.value.code, caught.value.retryable, caught.value.reached) == ("provider_connection", True, False)


async def test_a_name_that_does_not_resolve_was_not_heard(made: Any) -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(ProviderError, match="Name or service") as caught:
        await made("http://models.example", route=Route(PrivateHosts(), nowhere)).post("/x", {}, 5)
    assert caught.value.reached is False


async def test_calls_that_wait_for_one_name_ask_once(talk: Any, made: Any) -> None:
    asked: list[str] = []

    async def slow(host: str, port: int) -> list[str]:
        asked.append(host)
        await asyncio.sleep(0.05)
        return ["127.0.0.1"]

    def script(line: Any) -> None:
        while line.hear():
            line.say(OK)

    with talk(script) as peer:
        route = Route(PrivateHosts(names=frozenset({"models.example"})), slow)
        transport = made(f"http://models.example:{peer.port}", route=route)
        calls = [asyncio.create_task(transport.post("/x", {}, 5)) for _ in range(10)]
        await asyncio.sleep(0.01)
        calls[0].cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [result[0] for result in results[1:] if not isinstance(result, BaseException)] == [200] * 9
        assert asked == ["models.example"]
        await transport.close()


async def test_the_next_address_is_tried_when_one_does_not_answer(talk: Any, made: Any) -> None:
    def script(line: Any) -> None:
        line.hear()
        line.say(OK)

    async def several(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.3", "127.0.0.1"]

    with talk(script) as peer:
        route = Route(PrivateHosts(names=frozenset({"gpu"})), several)
        assert (await made(f"http://gpu:{peer.port}", route=route).post("/x", {}, 5))[0] == 200


@pytest.mark.parametrize("when", ["name", "connection"])
async def test_the_time_to_connect_is_bounded(made: Any, talk: Any, when: str) -> None:
    async def slow(host: str, port: int) -> list[str]:
        await asyncio.sleep(5 if when == "name" else 0)
        return ["127.0.0.1"]

    def script(line: Any) -> None:
        line.until_gone()

    with talk(script) as peer:  # nobody speaks TLS there, so that opening never ends
        route = Route(PrivateHosts(names=frozenset({"gpu"})), slow)
        transport = made(f"https://gpu:{peer.port}", limits=Limits(connect=0.2), route=route)
        began = time.monotonic()
        with pytest.raises(ProviderError, match="did not accept") as caught:
            await transport.post("/x", {}, 5)
        assert time.monotonic() - began < 2
        await asyncio.sleep(0.01)
    assert (caught.value.code, caught.value.retryable, caught.value.reached) == ("provider_timeout", True, False)


@pytest.mark.parametrize(("idle", "total"), [(0.15, 10.0), (10.0, 0.15)])
async def test_silence_and_the_whole_are_bounded(talk: Any, made: Any, idle: float, total: float) -> None:
    for said in (b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n\r\nabc", OK[:-1]):

        def script(line: Any, said: bytes = said) -> None:
            line.hear()
            line.say(said)
            line.until_gone()

        with talk(script) as peer:
            began = time.monotonic()
            with pytest.raises(ProviderError, match="too slow") as caught:
                await made(peer.url, limits=Limits(idle=idle)).post("/x", {}, total)
            assert 0.1 < time.monotonic() - began < 2
        assert (caught.value.code, caught.value.reached) == ("provider_timeout", True)


async def test_drops_keep_a_call_alive_only_until_its_end(talk: Any, made: Any) -> None:
    def script(line: Any) -> None:
        line.hear()
        line.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while not line.peer.stopped.wait(0.02):
            line.say(b"x")

    with talk(script) as peer:
        began, came = time.monotonic(), []

        async def listen() -> None:
            async with made(peer.url, limits=Limits(idle=0.3)).stream("/x", {}, 0.6) as reply:
                async for piece in reply.pieces:
                    came.append(piece)

        with pytest.raises(ProviderError, match="too slow"):
            await listen()
        assert 0.5 < time.monotonic() - began < 2
    assert len(came) > 5


async def test_a_slow_upload_is_not_silence(talk: Any, made: Any) -> None:
    def script(line: Any) -> None:
        time.sleep(1.5)
        line.hear()
        line.say(OK)

    with talk(script) as peer:
        transport = made(peer.url, limits=Limits(idle=1.0))
        assert (await transport.post("/x", {"text": "x" * 30_000_000}, 20))[0] == 200


async def test_a_slow_reader_stops_the_provider_and_is_not_its_silence(talk: Any, made: Any) -> None:
    size, sent = 64 * 1024 * 1024, []

    def script(line: Any) -> None:
        line.hear()
        line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(64):
            line.say(b"x" * (1024 * 1024))
            sent.append(1)

    with talk(script) as peer:
        transport, came = made(peer.url, limits=Limits(idle=0.3)), 0
        async with transport.stream("/x", {}, 30) as reply:
            await asyncio.sleep(0.8)
            assert len(sent) < 32  # what the two sockets hold, and our own quarter of a megabyte
            async for piece in reply.pieces:
                came += len(piece)
        assert came == size


async def test_loops_that_ended_leave_nothing_behind(talk: Any) -> None:
    def script(line: Any) -> None:
        while line.hear():
            line.say(OK)

    with talk(script) as peer:
        transport = Transport(peer.url, {})

        def once() -> None:
            async def call() -> None:
                assert (await transport.post("/x", {}, 5))[0] == 200
                await transport.close()

            asyncio.run(call())

        for _ in range(3):
            await asyncio.to_thread(once)
        assert (await transport.post("/x", {}, 5))[0] == 200
        assert len(transport._pools) == 1
        await transport.close()
