"""Providers by name: built once, named well when wrong, and never telling a secret."""

from __future__ import annotations

import pytest

from headgate.kernel import InvalidInput
from headgate.models import Providers
from headgate.testing.model import ScriptedModel

SETTINGS = {"local": {"type": "extractive"}, "lab": {"type": "openai", "base_url": "http://gpu-1:8000/v1"}}


def test_a_target_is_a_provider_and_a_model_split_at_the_first_slash() -> None:
    provider, model = Providers(SETTINGS).resolve("lab/meta/llama-3.1")
    assert (provider.name, model) == ("lab", "meta/llama-3.1")


def test_a_provider_is_built_once() -> None:
    providers = Providers(SETTINGS)
    assert providers.get("local") is providers.get("local")


def test_a_wrong_name_is_told_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"no provider called 'locl'.*did you mean 'local'"):
        Providers(SETTINGS).get("locl")
    with pytest.raises(InvalidInput, match=r"no provider called 'opnai'.*did you mean 'openai'"):
        Providers({"x": {"type": "opnai"}}).get("x")
    with pytest.raises(InvalidInput, match="has no type"):
        Providers({"x": {}}).get("x")


@pytest.mark.parametrize("target", ["", "local", "/model", "local/", "local /"])
def test_a_target_that_names_no_model_is_refused(target: str) -> None:
    with pytest.raises(InvalidInput):
        Providers(SETTINGS).resolve(target)


@pytest.mark.parametrize("end", ["/chat/completions", "/responses", "/embeddings", "/models"])
def test_the_address_of_one_endpoint_is_no_base_url(end: str) -> None:
    entry = {"type": "openai", "base_url": f"https://llm.example/v1{end}"}
    with pytest.raises(InvalidInput, match=f"ends before {end}.*write https://llm.example/v1$"):
        Providers({"x": entry}).get("x")


def test_a_retention_has_a_unit() -> None:
    for kept, right in ((30, False), (0.5, False), (0, True), ("none", True), ("30d", True)):
        providers = Providers({"x": {"type": "extractive", "facts": {"retention": kept}}})
        if right:
            providers.identities(["x/model"])
        else:
            with pytest.raises(InvalidInput, match=f"with its unit such as {kept}d"):
                providers.identities(["x/model"])


def test_a_wrong_entry_never_repeats_a_key() -> None:
    entry = {"type": "openai", "key": {"planted": "canary"}, "base_url": "http://me:canary@host"}
    for broken in (entry, {**entry, "key": "canary"}, {"type": "openai", "key": "canary", "price": "canary"}):
        with pytest.raises(InvalidInput) as caught:
            Providers({"p": broken}).get("p")
        assert "canary" not in str(caught.value)


def test_what_would_let_a_call_cost_more_is_no_default() -> None:
    with pytest.raises(InvalidInput, match="n cannot be a default"):
        Providers({"p": {"type": "openai", "defaults": {"n": 5, "temperature": 0}}}).get("p")


def test_identities_are_sorted_and_do_not_change_with_address_or_key() -> None:
    there = Providers({**SETTINGS, "lab": {"type": "openai", "base_url": "http://other:1/v1", "key": "k"}})
    targets = ["local/extractive", "lab/llama", "lab/llama"]
    assert Providers(SETTINGS).identities(targets) == there.identities(targets)
    assert list(there.identities(targets)) == ["lab/llama", "local/extractive"]
    changed = Providers({"lab": {"type": "openai", "revision": "2"}}).identities(["lab/llama"])
    assert changed != Providers(SETTINGS).identities(["lab/llama"])


def test_an_entrys_own_price_wins() -> None:
    entry = {"type": "openai", "base_url": "http://x/v1", "price": {"input": "$1", "output": "$2"}}
    price = Providers({"p": entry}).get("p").price("gpt-5-mini")
    assert price is not None
    assert (price.input, price.output) == (1_000_000_000, 2_000_000_000)
    assert Providers(SETTINGS).get("lab").price("llama") is None


def test_a_ready_provider_stands_under_its_names() -> None:
    model = ScriptedModel(["hello"])
    providers = model.providers("openai", "local")
    assert providers.resolve("openai/gpt-5-mini") == (model, "gpt-5-mini")
    assert providers.get("local") is model
