"""Embeddings of providers: what is sent where, what comes back, what it costs; whatever comes back instead."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel import Usage
from headgate.models import EmbedCall, Embeds, ProviderError, Providers
from headgate.models.upstream.embeddings import embed_path, listed_input_price, read_vectors
from headgate.testing.upstream import running


def read(answer: Any, given: Any = ("a", "b")) -> Any:
    sent = list(given) if isinstance(given, tuple) else given
    return read_vectors(json.dumps(answer).encode(), EmbedCall("m", {"input": sent}))


def item(index: int, embedding: Any) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": embedding}


def test_vectors_stay_as_they_were_written_in_the_order_of_the_texts() -> None:
    answer = {"data": [item(1, [0.1, 1e-7]), item(0, "AACAPw==")], "model": "m-2", "usage": {"prompt_tokens": 7}}
    found = read(answer)
    assert [msgspec.json.encode(vector) for vector in found.vectors] == [b'"AACAPw=="', b"[0.1, 1e-07]"]
    assert (found.model, found.usage) == ("m-2", Usage(7))


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": "7"}])
def test_a_usage_that_is_none_is_estimated_and_says_so(usage: Any) -> None:
    found = read({"data": [item(0, [1])], "usage": usage}, "four letters")
    assert found.usage.estimated
    assert found.usage.input_tokens == 3


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"data": []},
        {"data": [item(0, [1])]},
        {"data": [item(0, [1]), item(0, [2])]},
        {"data": [item(0, [1]), item(1, [2]), item(2, [3])]},
        {"data": [{"index": 0}, {"index": 1}]},
        {"data": "none"},
    ],
    ids=["nothing", "list", "none", "too-few", "twice", "too-many", "no-vectors", "text"],
)
def test_an_answer_that_is_none_is_the_providers_failure(answer: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        read(answer)
    assert caught.value.code == "provider_protocol"


@given(
    st.binary(max_size=40)
    | st.recursive(st.none() | st.integers(), st.lists).map(lambda found: json.dumps(found).encode())
)
def test_whatever_comes_is_vectors_or_one_error(content: bytes) -> None:
    with pytest.raises(ProviderError):
        read_vectors(content, EmbedCall("m", {"input": "a"}))


def test_tokens_are_one_input_or_many() -> None:
    assert len(read({"data": [item(0, [1])]}, [1, 2, 3]).vectors) == 1
    assert len(read({"data": [item(0, [1]), item(1, [2])]}, [[1, 2], [3]]).vectors) == 2


def test_azure_has_a_path_for_each_deployment() -> None:
    assert embed_path("m", None) == "/embeddings"
    assert embed_path("my model", "2024-10-21") == "/openai/deployments/my%20model/embeddings?api-version=2024-10-21"


def test_models_that_embed_are_paid_by_their_input_alone() -> None:
    price = listed_input_price("text-embedding-3-small", "https://api.openai.com/v1")
    assert price is not None
    assert (price.input, price.output) == (20_000_000, 0)
    assert listed_input_price("text-embedding-3-small", "http://127.0.0.1:1/v1") is None
    assert listed_input_price("nobody", "https://api.openai.com/v1") is None


async def test_the_provider_sends_the_body_and_reads_the_answer() -> None:
    with running() as (url, upstream):
        settings = {"lab": {"type": "openai", "base_url": url, "price": {"input": "$1", "output": "$5"}}}
        providers = Providers(settings)
        provider = providers.get("lab")
        assert isinstance(provider, Embeds)
        found = await provider.embed(EmbedCall("stand-in", {"input": ["one two", "three"], "house_rule": 1}))
        assert upstream.bodies == [{"input": ["one two", "three"], "house_rule": 1, "model": "stand-in"}]
        assert msgspec.json.encode(found.vectors) == b"[[7, 2],[5, 1]]"
        assert found.usage == Usage(3)
        price = provider.embed_price("stand-in")
        assert price is not None
        assert price.input == 1_000_000_000
        upstream.misbehave("429")
        with pytest.raises(ProviderError) as caught:
            await provider.embed(EmbedCall("stand-in", {"input": "x"}))
        assert (caught.value.code, caught.value.retryable) == ("provider_rate_limit", True)
        await providers.close()


def test_providers_that_only_chat_are_told_from_those_that_embed() -> None:
    settings = {name: {"type": name} for name in ("extractive", "anthropic", "gemini")}
    assert not any(isinstance(Providers(settings).get(name), Embeds) for name in settings)
