"""Paths that are not served: each client is told in its own words which one is, and nothing is served by mistake."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from headgate.http.exchange import Exchange

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        ("POST", "//v1/chat/completions", f"{CHAT} is: set the client's base URL to BASE/v1"),
        ("POST", "/v1//chat/completions", f"{CHAT} is: set the client's base URL to BASE/v1"),
        ("POST", "/chat/completions", f"{CHAT} is: set the client's base URL to BASE/v1"),
        ("POST", "/v1/v1/chat/completions", f"{CHAT} is: set the client's base URL to BASE/v1"),
        ("POST", "/openai/v1/responses/", f"{RESPONSES} is: set the client's base URL to BASE/v1"),
        ("GET", "/models", "/v1/models is: set the client's base URL to BASE/v1"),
        ("POST", "/v1/v1/messages", f"{MESSAGES} is: set the client's base URL to BASE"),
        ("POST", "/messages/count_tokens", f"{MESSAGES}/count_tokens is: set the client's base URL to BASE"),
        ("POST", "/openai/deployments/support/chat/completions",
         "use OpenAI's client, not Azure's: set its base URL to BASE/v1 and name the app in `model`"),
        ("POST", "/openai/deployments/support/embeddings",
         "use OpenAI's client, not Azure's: set its base URL to BASE/v1 and name the app in `model`"),
        ("GET", "/v1/responses/resp_1", "this gateway keeps no state between requests: "
         f"send the conversation so far in `input` to {RESPONSES}"),
        ("DELETE", "/v1/responses/resp_1", "this gateway keeps no state between requests: "
         f"send the conversation so far in `input` to {RESPONSES}"),
        ("POST", "/v1/responses/resp_1/cancel", "this gateway keeps no state between requests: "
         f"send the conversation so far in `input` to {RESPONSES}"),
        ("GET", "/v1/chat/completions/chatcmpl-1",
         "this gateway keeps no state between requests: answers are not stored; their traces are"),
        ("POST", "/v1/completions", f"text completions are not served: send `messages` to {CHAT}"),
        ("POST", "/completions", f"text completions are not served: send `messages` to {CHAT}"),
        ("POST", "/v1/messages/batches", f"batches are not taken: send each message to {MESSAGES}"),
        ("GET", "/v1/messages/batches/b_1/results", f"batches are not taken: send each message to {MESSAGES}"),
        ("POST", "/v1/moderations", "ask the guards of an app at /v1/guardrail/checks"),
        ("POST", "/v1/chat/completion", "below /v1: did you mean 'chat/completions'?"),
        ("POST", "/v1/embedings", "below /v1: did you mean 'embeddings'?"),
    ],
)  # fmt: skip
def test_a_wrong_path_names_the_right_one_in_the_words_of_its_wire(
    server: Any, method: str, path: str, says: str
) -> None:
    status, body, _ = server.request(method, path, server.chat() if method == "POST" else None)
    assert status == 404
    assert body["error"]["message"] == f"there is nothing at {path} ({says.replace('BASE', server.url)})"
    anthropics = "messages" in path.rpartition("/v1/")[2].split("/")
    assert (body.get("type") == "error") is anthropics, "Anthropic's envelope is Anthropic's alone"
    assert (body["error"]["type"], body["error"].get("code")) == (
        "not_found_error",
        None if anthropics else "not_found",
    )


@pytest.mark.parametrize("path", ["/v1/files", "/v2x"])
def test_what_is_near_nothing_is_told_all_there_is(server: Any, path: str) -> None:
    status, body, _ = server.request("POST", path, {})
    assert status == 404
    assert "chat/completions" in str(body)
    assert "embeddings" in str(body)


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
def test_one_slash_at_the_end_is_one_too_many_and_no_more(server: Any, path: str) -> None:
    body = server.chat(input="May I return a device?", max_tokens=50)
    body.pop("messages" if path == RESPONSES else "input")
    assert server.request("POST", f"{path}/", body)[0] == 200
    assert server.request("POST", f"{path}//", body)[0] == 404
    status, _, headers = server.request("GET", f"{path}/")
    assert (status, headers["allow"]) == (405, "POST")


def test_the_list_of_models_has_no_model_without_a_name(server: Any) -> None:
    assert server.request("GET", "/v1/models/")[1]["object"] == "list"


def test_official_clients_hear_it(server: Any) -> None:
    azure = openai.AzureOpenAI(azure_endpoint=server.url, api_key="k", api_version="2024-10-21", max_retries=0)
    with azure, pytest.raises(openai.NotFoundError, match=f"not Azure's: set its base URL to {server.url}/v1 "):
        azure.chat.completions.create(model="support", messages=[{"role": "user", "content": "Hi"}])
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="keeps no state"):
            client.responses.retrieve("resp_1")
        with pytest.raises(openai.NotFoundError, match="text completions are not served"):
            client.completions.create(model="support", prompt="Hi")
    clerk = anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0)
    with clerk, pytest.raises(anthropic.NotFoundError, match="batches are not taken"):
        clerk.messages.batches.list()


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"host": "gate.example:8443", "x-forwarded-proto": "https"}, "https://gate.example:8443"),
        ({"host": "[::1]:80"}, "http://[::1]:80"),
        ({"host": "a b"}, "http://host:port"),
        ({}, "http://host:port"),
    ],
    ids=["proxied", "six", "odd", "none"],
)
def test_the_address_is_the_one_that_the_client_used(headers: dict[str, str], base: str) -> None:
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": sent}
    assert Exchange(scope, None, None).base == base  # type: ignore[arg-type]
