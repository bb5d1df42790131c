"""`/v1/embeddings` of a provider's model: passed through, within limits, for those who may go past releases."""

from __future__ import annotations

import asyncio
import base64
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from headgate.testing.served import do
from headgate.testing.upstream import Upstream

MODEL = "lab/stand-in"


@pytest.fixture
def client(locked: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=locked.keys["engineer"], base_url=f"{locked.url}/v1", max_retries=0) as client:
        yield client


def test_texts_and_tokens_pass_through(client: openai.OpenAI, lab: tuple[str, Upstream]) -> None:
    found = client.embeddings.create(model=MODEL, input=["My bill is due.", "Hi"], dimensions=2, user="user_a")
    assert [item.embedding for item in found.data] == [[15.0, 4.0], [2.0, 1.0]]
    assert (found.model, found.usage.prompt_tokens) == (MODEL, 5)
    sent = lab[1].bodies[-1]
    assert sent == {
        "input": ["My bill is due.", "Hi"], "dimensions": 2, "encoding_format": "base64", "model": "stand-in",
    }, "the client asks for base64; who asks is nobody's business"  # fmt: skip
    assert [item.embedding for item in client.embeddings.create(model=MODEL, input=[[1, 2, 3], [4]]).data] == [
        [3, 3],
        [1, 1],
    ]
    assert client.embeddings.create(model=MODEL, input=[1, 2, 3, 4]).data[0].embedding == [4, 4]


def test_numbers_are_numbers_when_asked_for(locked: Any) -> None:
    key = locked.keys["engineer"]
    body = {"model": MODEL, "input": "My bill is due."}
    status, plain, headers = locked.request("POST", "/v1/embeddings", body, key=key)
    assert (status, plain["data"][0]["embedding"]) == (200, [15, 4])
    assert headers["x-headgate-release"] == "none"
    assert float(headers["x-headgate-cost"].removeprefix("$")) == pytest.approx(4e-6)
    packed = locked.request("POST", "/v1/embeddings", {**body, "encoding_format": "base64"}, key=key)[1]
    assert struct.unpack("<2f", base64.b64decode(packed["data"][0]["embedding"])) == (15, 4)


def test_an_app_key_may_not(locked: Any) -> None:
    asked = {"model": MODEL, "input": "x"}
    assert locked.request("POST", "/v1/embeddings", asked, key=locked.keys["app"])[0] == 403


def test_a_provider_that_does_not_embed_says_so(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="'local' does not embed") as caught:
        client.embeddings.create(model="local/extractive", input="x")
    assert caught.value.code == "unsupported"


def test_an_unknown_provider_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no provider called 'labb'"):
        client.embeddings.create(model="labb/stand-in", input="x")


def test_fields_that_choose_who_answers_are_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="api_base is not taken from callers"):
        client.embeddings.create(model=MODEL, input="x", extra_body={"api_base": "http://elsewhere"})


def test_a_failure_is_tried_again_once(client: openai.OpenAI, behave: Callable[..., None]) -> None:
    behave("500", 1)
    assert client.embeddings.create(model=MODEL, input="Hi").data[0].embedding == [2, 1]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("garbage", 503, "provider_protocol"), ("500", 503, "provider_server"), ("429", 429, "provider_rate_limit")],
)
def test_a_provider_that_fails_is_an_error_that_says_so(
    locked: Any, wait_for: Callable[..., Any], lab: tuple[str, Upstream], fault: Any, status: int, code: str
) -> None:
    asked = {"model": MODEL, "input": "Hi"}

    def healthy() -> bool:
        return bool(locked.request("POST", "/v1/embeddings", asked, key=locked.keys["engineer"])[0] == 200)

    assert wait_for(healthy, 40), "the target of other tests rests"
    lab[1].misbehave(fault, 2)
    found, body, _ = locked.request("POST", "/v1/embeddings", asked, key=locked.keys["engineer"])
    lab[1].misbehave("off", 0)
    assert (found, body["error"]["code"]) == (status, code)


def test_a_budget_holds_before_anything_is_sent(locked: Any, lab: tuple[str, Upstream]) -> None:
    token = do(locked.root, "key.create", {"person": "thrifty", "role": ["engineer"], "budget_per_day": "$0.00015"})
    asked, before = {"model": MODEL, "input": "a " * 20}, lab[1].requests
    statuses = [locked.request("POST", "/v1/embeddings", asked, key=token["token"])[0] for _ in range(12)]
    paid = lab[1].requests - before
    assert statuses.count(200) == paid
    assert statuses.count(429) == 12 - paid > 0
    assert 0 < paid * 20_000 <= 150_000, "each costs 20 tokens at $1 a million"


def test_a_client_that_leaves_cancels_the_call(locked: Any, lab: tuple[str, Upstream]) -> None:
    lab[1].latency_s, left = 10.0, lab[1].left
    try:

        async def leave() -> None:
            async with openai.AsyncOpenAI(
                api_key=locked.keys["engineer"], base_url=f"{locked.url}/v1", max_retries=0, timeout=0.5
            ) as client:
                with pytest.raises(openai.APITimeoutError):
                    await client.embeddings.create(model=MODEL, input="x")

        asyncio.run(leave())
        deadline = time.monotonic() + 5
        while lab[1].left == left and time.monotonic() < deadline:
            time.sleep(0.02)
        assert lab[1].left == left + 1
    finally:
        lab[1].latency_s = 0.0


def test_it_is_recorded_with_its_model_and_cost(locked: Any, wait_for: Callable[..., Any]) -> None:
    admin = locked.keys["admin"]
    headers = locked.request("POST", "/v1/embeddings", {"model": MODEL, "input": "Hi you"}, key=admin)[2]
    asked = {"trace_id": headers["x-headgate-trace"]}

    def trace() -> Any:
        status, shown, _ = locked.request("POST", "/api/trace/show", asked, key=admin)
        return shown if status == 200 else None

    shown = wait_for(trace)
    assert (shown["source"], shown["summary"]["model"], shown["input_tokens"]) == ("embeddings", MODEL, 2)
    [attempt] = shown["stages"][-1]["facts"]["attempts"]
    assert (attempt["target"], attempt["cost_nano"]) == (MODEL, 2000)
