"""What every provider file promises, each tried through the plugin door. A new file is tested before its author is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

import pytest

from headgate.kernel import Passage, plugins
from headgate.models import Call, Delta, End, Provider, ProviderError, Providers
from headgate.testing.upstream import Upstream, running

PASSAGES = (
    Passage("corpus/device-returns", "You can return a device within 30 days of delivery.", "Returning a device"),
    Passage("corpus/late-fees", "A late fee of $5 is added 7 days after the due date.", "Late fees"),
)
SOURCES = "\n\n".join(f"[{n}] {p.heading} ({p.source})\n{p.text}" for n, p in enumerate(PASSAGES, 1))
BODY = {
    "messages": [
        {"role": "system", "content": f"Answer only from these sources and cite them as [n].\n\n{SOURCES}"},
        {"role": "user", "content": "Within how many days can I return a device?"},
    ],
    "max_tokens": 100,
}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "scripted": {"script": ["Within 30 days of delivery. [1]"]},
    "openai": {"key": "sk-planted-canary"},
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[str, Upstream]]:
    with running() as started:
        yield started


@pytest.fixture
def server(upstream: tuple[str, Upstream]) -> Upstream:
    upstream[1].misbehave("off", 0)
    return upstream[1]


@pytest.fixture(params=sorted(plugins.names("providers")))
def provider(request: pytest.FixtureRequest, upstream: tuple[str, Upstream]) -> Provider:
    kind = request.param
    entry: dict[str, Any] = {"type": kind, **OPTIONS.get(kind, {})}
    if "base_url" in plugins.load("providers", kind).options.model_fields:
        entry["base_url"] = upstream[0]
    return Providers({"one": entry}).get("one")


async def collect(events: AsyncIterator[Delta | End]) -> list[Delta | End]:
    return [event async for event in events]


async def ask(provider: Provider, close: bool = True, **changes: Any) -> list[Delta | End]:
    call = Call(**{"model": "m", "body": BODY, "passages": PASSAGES, "timeout_s": 5.0, **changes})
    try:
        async with aclosing(provider.chat(call)) as events:  # type: ignore[type-var]
            return await collect(events)
    finally:
        if close:
            await provider.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_text_and_then_exactly_one_end(provider: Provider, server: Upstream, stream: bool) -> None:
    events = await ask(provider, stream=stream)
    assert [type(event) for event in events[:-1]] == [Delta] * (len(events) - 1)
    end = events[-1]
    assert isinstance(end, End)
    assert end.finish_reason == "stop"
    assert end.usage.input_tokens > 0
    assert end.usage.output_tokens > 0
    text = "".join(event.text for event in events if isinstance(event, Delta))
    assert "30 days" in text
    assert text.endswith("[1]")
    assert all(event.text for event in events if isinstance(event, Delta))


async def test_streamed_and_whole_answers_are_the_same_text(provider: Provider, server: Upstream) -> None:
    whole, streamed = [await ask(provider, stream=stream) for stream in (False, True)]
    texts = ["".join(event.text for event in events if isinstance(event, Delta)) for events in (whole, streamed)]
    assert texts[0] == texts[1]
    assert len(whole) == 2
    assert len(streamed) > 3


def test_identity_is_stable_behavioural_and_holds_no_secret(provider: Provider) -> None:
    identity = provider.identity("m")
    assert identity == provider.identity("m")
    assert identity["model"] == "m"
    assert isinstance(identity["behaviour"], int)
    assert identity != provider.identity("other")
    written = json.dumps(identity) + repr(provider) + repr(vars(provider).get("_options"))
    assert "canary" not in written
    assert "127.0.0.1" not in json.dumps(identity)


def test_an_unknown_option_is_named_with_the_nearest(provider: Provider) -> None:
    kind = provider.identity("m")["type"]
    fields = list(plugins.load("providers", kind).options.model_fields)
    wrong = fields[0] + "x"
    with pytest.raises(Exception, match=f"no option '{wrong}'.*did you mean '{fields[0]}'"):
        Providers({"p": {"type": kind, wrong: 1}}).get("p")


async def test_two_answers_at_once_do_not_mix(provider: Provider, server: Upstream) -> None:
    answers = await asyncio.gather(*(ask(provider, close=False, stream=True) for _ in range(8)))
    await provider.close()
    assert len({"".join(e.text for e in events if isinstance(e, Delta)) for events in answers}) == 1


FAULTS = ("429", "500", "html502", "garbage", "cut_before", "stall", "no_finish", "filtered", "redirect")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_upstream_is_a_provider_error(
    upstream: tuple[str, Upstream], server: Upstream, fault: Any, stream: bool
) -> None:
    provider = Providers({"p": {"type": "openai", "base_url": upstream[0], "timeout": "300ms"}}).get("p")
    server.misbehave(fault)
    with pytest.raises(ProviderError) as caught:
        await ask(provider, stream=stream)
    # A stream that had begun may never be tried again; what the provider refuses will be refused again.
    begun = stream and fault in ("stall", "no_finish")
    assert caught.value.retryable == (fault not in ("filtered", "redirect") and not begun)
    assert (caught.value.code == "content_filter") == (fault == "filtered")
    assert caught.value.retry_after == (1.0 if fault in ("429", "500", "html502", "filtered", "redirect") else None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["no_usage", "no_done", "drip"])
async def test_an_answer_that_is_odd_but_whole_is_taken(
    upstream: tuple[str, Upstream], server: Upstream, fault: Any, stream: bool
) -> None:
    server.misbehave(fault)
    events = await ask(Providers({"p": {"type": "openai", "base_url": upstream[0]}}).get("p"), stream=stream)
    end = events[-1]
    assert isinstance(end, End)
    assert end.usage.estimated == (fault == "no_usage")
    assert end.usage.output_tokens > 0


async def test_text_given_out_before_a_cut_is_not_retried(upstream: tuple[str, Upstream], server: Upstream) -> None:
    provider = Providers({"p": {"type": "openai", "base_url": upstream[0]}}).get("p")
    server.misbehave("cut_after")
    events = provider.chat(Call("m", BODY, stream=True))
    assert isinstance(await anext(events), Delta)
    with pytest.raises(ProviderError) as caught:
        await collect(events)
    await provider.close()
    assert not caught.value.retryable


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_cancels_the_call_upstream(
    upstream: tuple[str, Upstream], server: Upstream, stream: bool
) -> None:
    provider: Any = Providers({"p": {"type": "openai", "base_url": upstream[0]}}).get("p")
    left = server.left
    server.misbehave("stall")
    task = asyncio.create_task(ask(provider, stream=stream, timeout_s=30))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert provider.transport.active == 0
    for _ in range(100):
        if server.left == left + 1:
            break
        await asyncio.sleep(0.01)
    assert server.left == left + 1
    await provider.close()


async def test_a_closed_port_is_retryable_and_quick() -> None:
    provider = Providers({"p": {"type": "openai", "base_url": "http://127.0.0.1:9/v1"}}).get("p")
    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    assert (caught.value.code, caught.value.retryable) == ("provider_connection", True)


@pytest.mark.parametrize("key", ["${env:OPENAI_API_KEY}", "", None])
async def test_a_missing_key_says_what_to_set_and_calls_nobody(key: str | None) -> None:
    provider = Providers({"openai": {"type": "openai", "key": key}}).get("openai")
    assert provider.identity("gpt-5-mini")["model"] == "gpt-5-mini"
    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    assert caught.value.code == "provider_auth"
    assert "OPENAI_API_KEY" in caught.value.hint or "providers.openai.key" in caught.value.hint
