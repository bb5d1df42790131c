"""P8 and P9 for every provider file that speaks HTTP: whatever goes wrong, one end or one error, and nothing leaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing, suppress
from typing import Any, get_args

import pytest

from headgate.kernel import plugins
from headgate.models import Call, Delta, End, ProviderError, Providers
from headgate.testing.upstream import Fault, Upstream, running

SOURCES = "[1] Returns (corpus/returns)\nYou can return a device within 30 days of delivery."
BODY = {
    "messages": [
        {"role": "system", "content": f"Answer only from these sources and cite them as [n].\n\n{SOURCES}"},
        {"role": "user", "content": "Within how many days can I return a device?"},
    ],
    "max_tokens": 100,
}
KINDS = [
    kind
    for kind in sorted(plugins.names("providers"))
    if "base_url" in plugins.load("providers", kind).options.model_fields
]
WHOLE = {
    "429": ("provider_rate_limit", True),
    "500": ("provider_server", True),
    "html502": ("provider_server", True),
    "garbage": ("provider_protocol", True),
    "bad_utf8": ("provider_protocol", True),
    "cut_before": ("provider_connection", True),
    "cut_after": ("provider_connection", True),
    "cut_line": ("provider_connection", True),
    "cut_tool": ("provider_protocol", True),
    "stall": ("provider_timeout", True),
    "long_line": ("provider_protocol", False),
    "no_finish": ("provider_protocol", True),
    "filtered": ("content_filter", False),
    "redirect": ("provider_rejected", False),
    "error_mid": ("provider_server", True),
    "empty": ("provider_protocol", True),
    "wrong_type": ("provider_protocol", True),
}
STREAMED = WHOLE | {
    "bad_utf8": ("provider_protocol", False),
    "cut_after": ("provider_connection", False),
    "cut_line": ("provider_connection", False),
    "cut_tool": ("provider_connection", True),
    "stall": ("provider_timeout", False),
    "no_finish": ("provider_protocol", False),
    "error_mid": ("provider_server", False),
}
"""The code of each fault, and whether it may be tried again: never once text has been given out."""
TAKEN = ("drip", "no_usage", "no_done", "whole", "off")


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[str, Upstream]]:
    with running() as started:
        yield started


@pytest.fixture
def server(upstream: tuple[str, Upstream]) -> Upstream:
    upstream[1].misbehave("off", 0)
    return upstream[1]


@pytest.fixture(params=KINDS)
def provider(request: pytest.FixtureRequest, upstream: tuple[str, Upstream]) -> Any:
    return built(request.param, upstream[0])


def built(kind: str, url: str, timeout: str = "10s") -> Any:
    return Providers({"p": {"type": kind, "base_url": url, "key": "k", "timeout": timeout}}).get("p")


async def ask(provider: Any, stream: bool, timeout_s: float = 20.0) -> tuple[list[Delta | End], ProviderError | None]:
    events: list[Delta | End] = []
    try:
        async with aclosing(provider.chat(Call("m", BODY, stream=stream, timeout_s=timeout_s))) as answer:
            async for event in answer:
                events.append(event)
    except ProviderError as problem:
        return events, problem
    finally:
        assert provider.transport.active == 0
        await provider.close()
    return events, None


def test_every_fault_of_the_stand_in_is_tried() -> None:
    assert set(WHOLE) == set(STREAMED)
    assert set(WHOLE) | set(TAKEN) == set(get_args(Fault))
    assert len(set(WHOLE) | set(TAKEN)) - 1 >= 18  # P8, less `off`


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", sorted(WHOLE))
async def test_a_fault_is_one_error_with_its_code_in_bounded_time(
    upstream: tuple[str, Upstream], provider: Any, server: Upstream, fault: Any, stream: bool
) -> None:
    if fault == "stall":
        provider = built(provider.identity("m")["type"], upstream[0], timeout="1s")
    server.misbehave(fault)
    began = time.monotonic()
    events, problem = await ask(provider, stream)
    assert problem is not None
    assert not [event for event in events if isinstance(event, End)]
    assert (problem.code, problem.retryable) == (STREAMED if stream else WHOLE)[fault]
    # Text was given out only where the table says that the call may not be tried again.
    said = [event for event in events if isinstance(event, Delta) and (event.text or event.reasoning)]
    assert not (said and problem.retryable)
    assert problem.retry_after == (1.0 if fault in ("429", "500", "html502", "redirect") else problem.retry_after)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", TAKEN)
async def test_an_answer_that_is_odd_but_whole_is_taken(
    provider: Any, server: Upstream, fault: Any, stream: bool
) -> None:
    server.misbehave(fault)
    events, problem = await ask(provider, stream)
    assert problem is None
    assert [type(event) for event in events] == [Delta] * (len(events) - 1) + [End]
    end = events[-1]
    assert isinstance(end, End)
    assert end.finish_reason == "stop"
    assert end.usage.estimated == (fault == "no_usage")
    assert end.usage.output_tokens > 0
    assert "30 days" in "".join(event.text for event in events if isinstance(event, Delta))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_connection_is_used_again_after_an_answer(provider: Any, server: Upstream, stream: bool) -> None:
    for _ in range(3):
        async with aclosing(provider.chat(Call("m", BODY, stream=stream))) as answer:
            assert isinstance([event async for event in answer][-1], End)
        assert provider.transport.active == 0
    assert provider.transport.pool().opened == 1
    await provider.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_cancels_the_call_upstream_within_a_second(
    upstream: tuple[str, Upstream], server: Upstream, provider: Any, stream: bool
) -> None:
    server.misbehave("stall")
    left = server.left
    task = asyncio.create_task(ask(provider, stream))
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    began = time.monotonic()
    while server.left == left:
        assert time.monotonic() - began < 1
        await asyncio.sleep(0.01)


async def test_leaving_after_the_first_word_cancels_the_call_upstream(provider: Any, server: Upstream) -> None:
    server.misbehave("drip")
    left = server.left
    async with aclosing(provider.chat(Call("m", BODY, stream=True))) as answer:
        assert isinstance(await anext(answer), Delta)
    assert provider.transport.active == 0
    began = time.monotonic()
    while server.left == left:
        assert time.monotonic() - began < 1
        await asyncio.sleep(0.01)
    await provider.close()


async def test_an_answer_that_never_ends_is_not_read_to_its_end(provider: Any, server: Upstream) -> None:
    server.misbehave("long_line")
    left = server.left
    events, problem = await ask(provider, stream=True)
    assert problem is not None
    assert "longer than" in problem.message
    assert len([event for event in events if isinstance(event, Delta) and event.text]) == 2
    began = time.monotonic()
    while server.left == left:
        assert time.monotonic() - began < 1
        await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_many_calls_left_at_any_moment_leak_nothing(provider: Any, server: Upstream) -> None:
    server.misbehave("drip", 10**6)

    async def leave(number: int) -> None:
        call = Call("m", BODY, stream=number % 3 != 0, timeout_s=30)
        task = asyncio.create_task(drink(provider, call))
        await asyncio.sleep(number % 40 / 1000)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    for batch in range(50):
        await asyncio.gather(*(leave(batch + number) for number in range(50)))
        assert provider.transport.active == 0
    await provider.close()
    began = time.monotonic()
    while server.active:
        assert time.monotonic() - began < 5
        await asyncio.sleep(0.02)


async def drink(provider: Any, call: Call) -> None:
    async with aclosing(provider.chat(call)) as answer:
        async for _ in answer:
            pass
