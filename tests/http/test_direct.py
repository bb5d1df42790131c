"""A provider's model addressed by its own name: who may, what holds all the same, what its failures are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest


def test_a_providers_model_answers_to_its_own_name(server: Any, wait_for: Callable[..., Any]) -> None:
    body = server.chat(model="lab/stand-in")
    status, answer, headers = server.request("POST", "/v1/chat/completions", body)
    assert status == 200
    assert answer["choices"][0]["message"]["content"].startswith("Yes, of course")
    assert answer["model"] == "lab/stand-in"
    assert headers["x-headgate-release"] == "none"
    path = f"/api/trace/show?trace_id={headers['x-headgate-trace']}"
    assert wait_for(lambda: server.request("GET", path)[0] == 200)
    _, trace, _ = server.request("GET", path)
    assert (trace["summary"]["app"], trace["summary"]["release"]) == ("lab/stand-in", "")


@pytest.mark.parametrize(("role", "status"), [("app", 403), ("viewer", 403), ("reviewer", 403), ("engineer", 200)])
def test_only_those_who_may_go_past_releases_may(locked: Any, role: str, status: int) -> None:
    body = locked.chat(model="lab/stand-in")
    found, answer, _ = locked.request("POST", "/v1/chat/completions", body, key=locked.keys[role])
    assert found == status
    if status == 403:
        assert "role" in answer["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "error"),
    [("filtered", openai.BadRequestError), ("429", openai.RateLimitError), ("500", openai.InternalServerError)],
)
def test_what_its_provider_refuses_is_an_error_and_no_safe_template(
    server: Any, behave: Callable[..., None], fault: str, error: type[Exception], stream: bool
) -> None:
    behave(fault, 5)
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0)
    messages: Any = [{"role": "user", "content": "hello"}]
    with pytest.raises(error):
        client.chat.completions.create(model="lab/stand-in", messages=messages, stream=stream)


def test_a_model_of_an_unknown_provider_names_the_nearest(server: Any) -> None:
    status, body, _ = server.request("POST", "/v1/chat/completions", server.chat(model="lap/x"))
    assert status == 400
    assert "lab" in body["error"]["message"]


def test_meters_keep_providers_and_not_every_name_that_was_tried(server: Any) -> None:
    for number in range(5):
        server.request("POST", "/v1/chat/completions", server.chat(model=f"lab/name-{number}"))
    _, text, _ = server.request("GET", "/metrics")
    assert 'headgate_requests_total{app="lab"' in text
    assert 'app="lab/name-' not in text
