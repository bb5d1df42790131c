"""The way out: no redirects, no proxies, bounds on time and size, connections given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from headgate.kernel import InvalidInput
from headgate.models import Call, ProviderError, Providers
from headgate.models.transport import Limits, Transport

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1", "host/v1", "http://", "http://user:key@host/v1", "http://user@host", "https://host/v1?x=1",
        "https://host/#f", "http://host:99999/", "http://[::1/v1", "", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_only_plain_http_urls_are_taken(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Transport(url, {})
    assert "key@" not in str(caught.value)


async def test_a_redirect_is_not_followed_and_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with serving(redirect) as url:
        transport = Transport(url, {})
        status, _, _ = await transport.post("/x", {}, 5)
        await transport.close()
    assert (status, asked) == (302, [1])


async def test_total_and_idle_time_are_bounded() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(5)

    async with serving(silent) as url:
        for limits, total in ((Limits(idle=0.1), 5.0), (Limits(), 0.1)):
            transport = Transport(url, {}, limits)
            began = asyncio.get_running_loop().time()
            with pytest.raises(ProviderError, match="too slow"):
                await transport.post("/x", {}, total)
            assert asyncio.get_running_loop().time() - began < 1.5
            assert transport.active == 0
            await transport.close()


async def test_an_endless_line_is_cut_off() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"data: ")
        while True:
            writer.write(b"x" * 1_000_000)
            await writer.drain()

    async with serving(endless) as url:
        provider = Providers({"p": {"type": "openai", "base_url": url}}).get("p")
        with pytest.raises(ProviderError, match="longer than") as caught:
            async for _ in provider.chat(Call("m", {"messages": []}, stream=True)):
                pass
        await provider.close()
    assert caught.value.code == "provider_protocol"


@pytest.mark.parametrize("tail", [b"data: \xff\xfe\n\n", b"data: [1, 2]\n\n", b'data: {"a": \n\n', b"<html>\n\n", b""])
async def test_bytes_that_are_no_answer_are_an_error(tail: bytes) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + tail)
        await writer.drain()

    async with serving(nonsense) as url:
        provider = Providers({"p": {"type": "openai", "base_url": url}}).get("p")
        with pytest.raises(ProviderError) as caught:
            async for _ in provider.chat(Call("m", {"messages": []}, stream=True)):
                pass
        await provider.close()
    assert caught.value.code == "provider_protocol"
    assert caught.value.retryable


async def test_a_connection_is_used_again() -> None:
    opened = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(1)
        for number in range(3):
            if number:
                await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            await writer.drain()

    async with serving(answer) as url:
        transport = Transport(url, {})
        for _ in range(3):
            assert await transport.post("/x", {}, 5) == (200, {"content-length": "2"}, b"{}")
        await transport.close()
    assert opened == [1]


def test_one_provider_serves_many_event_loops() -> None:
    provider = Providers({"p": {"type": "openai", "base_url": "http://127.0.0.1:9"}}).get("p")

    async def ask() -> str:
        with pytest.raises(ProviderError) as caught:
            async for _ in provider.chat(Call("m", {"messages": []})):
                pass
        await provider.close()
        return caught.value.code

    assert [asyncio.run(ask()) for _ in range(3)] == ["provider_connection"] * 3
