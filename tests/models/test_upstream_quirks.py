"""The quirks table: which row a base URL gets, and what the row does to a body, a path and a key."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.kernel import InvalidInput
from headgate.models import Call, Providers
from headgate.models.upstream.quirks import TABLE, chat_path, quirks_of

BODY: dict[str, Any] = {
    "messages": [{"role": "user", "content": "hi"}],
    "seed": 7,
    "logit_bias": {"1": 2},
    "user": "u",
    "max_tokens": 9,
}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://ours.openai.azure.com", "azure"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("https://api.together.xyz/v1", "together"),
        ("https://api.cerebras.ai/v1", "cerebras"),
        ("http://127.0.0.1:8000/v1", "other"),
        ("https://api.openai.com.evil.example/v1", "other"),
        ("https://notapi.groq.com.example/v1", "other"),
    ],
)
def test_a_base_url_finds_its_row(url: str, name: str) -> None:
    assert quirks_of(url).name == name


def test_rows_have_one_name_each_and_are_found_by_it() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)
    assert all(quirks_of("http://127.0.0.1:1", row.name) is row for row in TABLE)


def sent(url: str, stream: bool = False, **entry: Any) -> tuple[str, dict[str, Any]]:
    provider: Any = Providers({"p": {"type": "openai", "base_url": url, "key": "k", **entry}}).get("p")
    path, body = provider._prepare(Call("m/1", BODY, stream=stream))
    return path, dict(body)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_row_sends_a_limit_under_its_own_name_and_nothing_that_it_refuses(row: Any) -> None:
    _, body = sent("http://127.0.0.1:1/v1", stream=True, quirks=row.name)
    limits = {key: body[key] for key in ("max_tokens", "max_completion_tokens") if key in body}
    assert limits == {row.limit_key: 9}
    assert not set(row.without) & body.keys()
    assert ("stream_options" in body) == row.usage
    assert body.get("seed" if row.name != "mistral" else "random_seed") == 7
    assert BODY["seed"] == 7


def test_azure_takes_its_key_in_a_header_and_its_model_in_the_path() -> None:
    path, body = sent("https://ours.openai.azure.com", api_version="2024-10-21")
    assert path == "/openai/deployments/m%2F1/chat/completions?api-version=2024-10-21"
    assert body["max_completion_tokens"] == 9
    assert quirks_of("https://ours.openai.azure.com").headers("secret") == {"api-key": "secret"}
    assert chat_path("m", None) == "/chat/completions"


def test_other_rows_take_a_bearer_token_and_no_key_is_no_header() -> None:
    assert quirks_of("https://api.groq.com/openai/v1").headers("secret") == {"Authorization": "Bearer secret"}
    assert quirks_of("http://127.0.0.1:1").headers("") == {}


def test_a_row_that_is_not_in_the_table_is_told_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"no row 'mistrl'.*did you mean 'mistral'"):
        Providers({"p": {"type": "openai", "quirks": "mistrl"}}).get("p")


def test_azure_says_what_its_address_lacks() -> None:
    with pytest.raises(InvalidInput, match="needs api_version"):
        sent("https://ours.openai.azure.com")
    assert sent("https://ours.openai.azure.com/openai/v1")[0] == "/chat/completions"


@pytest.mark.parametrize("version", ["2024&x=1", "a b", "../x", "2024?"])
def test_a_version_never_adds_to_the_url(version: str) -> None:
    with pytest.raises(InvalidInput):
        Providers({"p": {"type": "openai", "api_version": version}}).get("p")
