"""What every provider file promises, each tried through the plugin door. A new file is tested before its author is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import InvalidInput, Passage, plugins
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
    "anthropic": {"key": "sk-planted-canary"},
    "gemini": {"key": "sk-planted-canary"},
    "bedrock": {"key": "sk-planted-canary"},
    "litellm": {"key": "sk-planted-canary", "prefix": "openai"},
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
    if kind == "litellm":
        pytest.importorskip("litellm", reason="the optional library litellm is not installed")
    entry: dict[str, Any] = {"type": kind, **OPTIONS.get(kind, {})}
    if "base_url" in plugins.load("providers", kind).options.model_fields:
        entry["base_url"] = upstream[0]
    elif kind == "litellm":
        entry["api_base"] = upstream[0]
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


HOSTED = [
    kind
    for kind in sorted(plugins.names("providers"))
    if "base_url" in plugins.load("providers", kind).options.model_fields
]


@pytest.mark.parametrize("kind", HOSTED)
async def test_a_closed_port_is_retryable_and_quick(kind: str) -> None:
    provider = Providers({"p": {"type": kind, "base_url": "http://127.0.0.1:9/v1", "key": "k"}}).get("p")
    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    assert (caught.value.code, caught.value.retryable) == ("provider_connection", True)


@pytest.mark.parametrize("key", ["${env:LLM_KEY}", "", None])
@pytest.mark.parametrize("kind", HOSTED)
async def test_a_missing_key_says_what_to_set_and_calls_nobody(
    kind: str, key: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    provider = Providers({"hosted": {"type": kind, "key": key}}).get("hosted")
    assert provider.identity("some-model")["model"] == "some-model"
    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    assert caught.value.code == "provider_auth"
    assert "LLM_KEY" in caught.value.hint or "providers.hosted.key" in caught.value.hint


@pytest.mark.parametrize("kind", HOSTED)
@pytest.mark.parametrize("name", ["model", "messages", "n", "max_tokens", "tools", "stream"])
def test_what_a_call_must_say_is_no_default(kind: str, name: str) -> None:
    with pytest.raises(InvalidInput, match=f"{name} cannot be a default"):
        Providers({"p": {"type": kind, "defaults": {name: 1}}}).get("p")


@pytest.mark.parametrize("kind", HOSTED)
async def test_defaults_are_sent_and_pinned_and_a_call_wins(kind: str, upstream: tuple[str, Upstream]) -> None:
    url, server = upstream
    entry = {"type": kind, "base_url": url, "key": "k", "defaults": {"temperature": 0.25, "top_p": 0.5}}
    provider = Providers({"p": entry}).get("p")
    assert provider.identity("m")["defaults"] == {"temperature": 0.25, "top_p": 0.5}
    await ask(provider, body={**BODY, "top_p": 0.75})
    sent = json.dumps(server.bodies[-1])
    assert "0.25" in sent
    assert "0.75" in sent
    assert "0.5" not in sent


@pytest.mark.parametrize("kind", HOSTED)
async def test_a_call_always_carries_its_limit(kind: str, upstream: tuple[str, Upstream]) -> None:
    url, server = upstream
    for limit, sent in ((None, 4096), (321, 321)):
        body = {**BODY, "max_tokens": limit}
        await ask(Providers({"p": {"type": kind, "base_url": url, "key": "k"}}).get("p"), body=body)
        assert str(sent) in json.dumps(server.bodies[-1])
