"""P21: an outbound call connects to the address that was checked, and to nothing that the settings do not open."""

from __future__ import annotations

import asyncio
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headgate.kernel import InvalidInput
from headgate.models import ProviderError, Providers
from headgate.models.transport import LOCAL, PrivateHosts, Route, Transport, private_hosts

CLOSED = PrivateHosts()
PUBLIC = "93.184.215.14"

NOT_PLAIN = [
    # the same address in other words
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://127.1/",
    "http://127.0.1/", "http://0/", "http://0x/", "http://017700000001/", "http://127.0.0.1./", "http://127.0.0.1.:80/",
    "http://127.0.0.01/", "http://127.0.0.256/", "http://1.2.3.4.5/", "http://10.0x1/", "http://169.254.43518/",
    "http://0xA9FEA9FE/", "http://%31%32%37.0.0.1/", "http://127%2e0%2e0%2e1/",
    # letters that a resolver or a browser would fold
    "http://１２７.0.0.1/", "http://127。0。0。1/", "http://ⓛocalhost/", "http://loc\u00adalhost/", "http://ex\u0000ample.com/",
    # user names, and hosts that two parsers read differently
    "http://a@127.0.0.1/", "http://a:b@host/", "http://public.example@127.0.0.1/", "http://127.0.0.1@public.example/",
    "http://public.example\\@127.0.0.1/", "http://public.example\\.local/", "http://public.example#@127.0.0.1/",
    "http://public.example?@127.0.0.1/", "http://@127.0.0.1/", "http://public.example:80:81/", "http://host:/",
    "http://host:0/", "http://host:65536/", "http://host:+80/", "http://host:0080/", "http://host:８０/",
    # not a host at all
    "http:///v1", "http:/127.0.0.1/", "http:127.0.0.1", "//127.0.0.1/", "http://[127.0.0.1]/", "http://[::1/",
    "http://[fe80::1%25eth0]/", "http://[::1%lo]/", "http://[v1.x]/", "http://::1/", "http://host name/", "http://-a.b/",
    "http://a..b/", "http://.a/", "http://a./", "http://" + "a" * 64 + "/", "http://" + "a." * 130 + "b/",
    # other schemes, control characters, ways up
    "https:host", "ftp://host/", "file:///etc/passwd", "gopher://host/", "unix:///run/x", " http://host/", "http://host/\n",
    "http://ho\tst/", "http://host/\r\nx: y", "http://host/a b", "http://host/../x", "http://host/%2e%2e/x", "http://host/.",
    "http://host/;é",
]  # fmt: skip

PRIVATE = [
    "http://127.0.0.1/", "http://127.255.255.254:8080/v1", "https://[::1]/", "http://0.0.0.0/", "http://[::]/",
    "http://10.0.0.1/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.1.1/", "http://169.254.169.254/",
    "http://100.64.0.1/", "http://100.127.255.255/", "http://224.0.0.1/", "http://239.255.255.250/", "http://240.0.0.1/",
    "http://255.255.255.255/", "http://192.0.0.1/", "http://192.0.2.1/", "http://198.18.0.1/", "http://198.51.100.1/",
    "http://203.0.113.9/", "http://192.88.99.1/", "http://[fc00::1]/", "http://[fd00:ec2::254]/", "http://[fe80::1]/",
    "http://[fec0::1]/", "http://[ff02::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:a9fe:a9fe]/",
    "http://[::127.0.0.1]/", "http://[::ffff:8.8.8.8]/", "http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::8.8.8.8]/",
    "http://[64:ff9b:1::1]/", "http://[2002:7f00:1::]/", "http://[2002:808:808::1]/", "http://[2001::1]/",
    "http://[2001:db8::1]/", "http://[3fff::1]/", "http://[100::1]/", "http://[5f00::1]/", "HTTP://[0:0:0:0:0:0:0:1]/",
]  # fmt: skip


class Connected(Exception):
    """Something reached for the network."""


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What connections were tried; none comes about."""
    tried: list[Any] = []

    async def connect(loop: Any, sock: Any, address: Any) -> None:
        tried.append(address[:2])
        raise ConnectionRefusedError

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", connect)
    return tried


def answering(*answers: list[str]) -> tuple[Route, list[str]]:
    """A resolver that answers once with each of `answers`, then with the last; and the names it was asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return Route(LOCAL, resolve), asked


async def ask(transport: Transport) -> ProviderError:
    try:
        with pytest.raises(ProviderError) as caught:
            await transport.post("/x", {}, 5)
    finally:
        assert transport.active == 0
        await transport.close()
    return caught.value


@pytest.mark.parametrize("url", NOT_PLAIN, ids=ascii)
def test_a_url_that_is_not_plain_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Transport(url, {})
    assert "a:b" not in caught.value.message


def test_there_are_more_than_sixty_forms() -> None:
    assert len(set(NOT_PLAIN)) + len(set(PRIVATE)) >= 100


@pytest.mark.parametrize("url", PRIVATE)
async def test_a_private_address_is_refused_before_anything_is_sent(url: str, reached: list[Any]) -> None:
    problem = await ask(Transport(url, {}, route=Route(CLOSED)))
    assert (problem.code, problem.retryable, problem.reached, reached) == ("provider_connection", False, False, [])
    assert "HEADGATE_PRIVATE_HOSTS" in problem.hint


@pytest.mark.parametrize("url", PRIVATE)
async def test_a_name_at_a_private_address_is_refused(url: str, reached: list[Any]) -> None:
    address = url.lower().removeprefix("https://").removeprefix("http://").partition("/")[0].removesuffix(":8080")
    for answer in ([address.strip("[]")], [PUBLIC, address.strip("[]")], [address.strip("[]"), PUBLIC]):
        route, asked = answering(answer)
        problem = await ask(Transport("http://models.example/v1", {}, route=route))
        assert (asked, reached) == (["models.example"], [])
        assert "models.example" in problem.message
        assert "HEADGATE_PRIVATE_HOSTS" in problem.hint


async def test_a_public_address_is_tried(reached: list[Any]) -> None:
    for url in (f"http://{PUBLIC}/v1", "http://models.example/v1"):
        route, _ = answering([PUBLIC])
        problem = await ask(Transport(url, {}, route=route))
        assert "cannot be reached" in problem.message
        assert problem.reached is False
    assert reached == [(PUBLIC, 80)] * 2


async def test_every_address_is_tried_in_turn(reached: list[Any]) -> None:
    route, asked = answering([PUBLIC, "2606:2800:21f::1", "1.1.1.1"])
    await ask(Transport("https://models.example", {}, route=route))
    assert sorted(set(reached)) == [("1.1.1.1", 443), ("2606:2800:21f::1", 443), (PUBLIC, 443)]
    assert asked == ["models.example"]


async def test_a_name_that_turns_private_is_only_ever_reached_where_it_was_checked(reached: list[Any]) -> None:
    route, asked = answering([PUBLIC], ["127.0.0.1"], ["169.254.169.254"])
    transport = Transport("http://models.example/v1", {}, route=route)
    messages = [(await ask(transport)).message for _ in range(3)]
    assert reached == [(PUBLIC, 80)]
    assert asked == ["models.example"] * 3
    assert "loopback" in messages[1]
    assert "link-local" in messages[2]


async def test_the_address_connected_to_is_the_one_that_was_checked() -> None:
    """The name exists nowhere but in the resolver, so that a second look-up would fail."""
    async with listening() as (port, heads):
        route, asked = answering(["127.0.0.1"])
        route = Route(private_hosts("no-such-name.example"), route.resolve)
        transport = Transport(f"http://no-such-name.example:{port}/v1", {}, route=route)
        assert (await transport.post("/x", {}, 5))[0] == 200
        await transport.close()
    assert asked == ["no-such-name.example"]
    assert f"\r\nhost: no-such-name.example:{port}\r\n".encode() in heads[0].lower()


async def test_a_redirect_to_this_machine_is_an_answer_and_no_call() -> None:
    async with listening() as (inner, inner_heads):
        answer = f"HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:{inner}/\r\ncontent-length: 0\r\n\r\n".encode()
        async with listening(answer) as (port, heads):
            transport = Transport(f"http://localhost:{port}", {})
            status, _, body = await transport.post("/x", {}, 5)
            await transport.close()
        assert (status, body, len(heads), inner_heads) == (307, b"", 1, [])


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with listening() as (port, heads):
        transport = Transport(f"http://127.0.0.1:{port}", {})
        assert (await transport.post("/x", {}, 5))[0] == 200
        await transport.close()
    assert heads[0].startswith(b"POST /x HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "path",
    ["", "x", "//[", "/a b", "/a\r\nx: y", "/é", "/a#b", "/../x", "/v1/%2E%2e/x", "/./x", "/%zz", "/..?a=1", "/\\x"],
)
async def test_a_path_stays_below_the_base_url(path: str, reached: list[Any]) -> None:
    transport = Transport(f"http://{PUBLIC}/v1", {})
    with pytest.raises(ProviderError, match="no path") as caught:
        await transport.post(path, {}, 5)
    assert (caught.value.code, caught.value.reached, reached) == ("provider_rejected", False, [])
    await transport.close()


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\0", "sk-é", "日本"])
async def test_a_header_holds_one_line_of_plain_text(value: str, reached: list[Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        Transport(f"http://{PUBLIC}", {"Authorization": value})
    assert value not in str(caught.value)
    transport = Transport(f"http://{PUBLIC}", {})
    with pytest.raises(ProviderError, match="x-one") as failed:
        await transport.post("/x", {}, 5, {"x-one": value})
    assert (failed.value.reached, reached) == (False, [])
    await transport.close()


def test_a_key_with_a_line_break_is_named_by_its_provider() -> None:
    with pytest.raises(InvalidInput, match="line") as caught:
        Providers({"p": {"type": "openai", "key": "sk-secret\n"}}).get("p")
    assert "sk-secret" not in str(caught.value)


async def test_providers_take_what_is_open_from_their_settings() -> None:
    async with listening() as (port, heads):
        entry = {"type": "openai", "base_url": f"http://127.0.0.1:{port}", "key": "k"}
        for text, status in (("none", None), ("10.0.0.0/8", None), ("localhost", 200), ("127.0.0.0/8", 200)):
            provider: Any = Providers({"p": entry}, private=private_hosts(text)).get("p")
            if status is None:
                assert "HEADGATE_PRIVATE_HOSTS" in (await ask(provider.transport)).hint, text
            else:
                assert (await provider.transport.post("/x", {}, 5))[0] == status, text
            await provider.close()
    assert len(heads) == 2


@asynccontextmanager
async def listening(
    answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that gives one answer to everything; its port, and the heads of the requests it was sent."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()
