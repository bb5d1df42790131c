"""Bedrock's Converse: bodies that the library's own model accepts, answers as its own client reads them, signatures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from headgate.kernel import Usage, plugins
from headgate.models import Call, Delta, End, ProviderError, Providers
from headgate.models.sse import StreamBroken
from headgate.models.upstream.frames import FrameParser
from headgate.models.wires.bedrock_converse import StreamDecoder, decode, encode_request, error_of
from headgate.testing.dialects import frame
from headgate.testing.upstream import running

CALL = Call("amazon.nova-lite-v1:0", {"messages": [{"role": "user", "content": "hello"}]})
PDF = "data:application/pdf;base64,JVBERi0="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather of a city", "parameters": SCHEMA}}


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-canary")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)


@pytest.fixture(scope="module")
def service() -> Any:
    session = pytest.importorskip("botocore.session")
    return session.get_session().get_service_model("bedrock-runtime")


@pytest.fixture
def client(credentials: None) -> Iterator[tuple[Any, Any]]:
    boto3 = pytest.importorskip("boto3")
    with running() as (url, app):
        found = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=url)
        yield found, app
        found.close()


def sent(*messages: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    return encode_request(Call("amazon.nova-lite-v1:0", {"messages": list(messages), **parameters}))


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def everything() -> dict[str, Any]:
    functions = [{"name": "weather", "arguments": json.dumps({"city": city})} for city in ("Paris", "Rome")]
    thoughts = [
        {"type": "thinking", "thinking": "Let me see.", "signature": "s1g"},
        {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="},
    ]
    return sent(
        {"role": "system", "content": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]},
        user(
            [
                {"type": "text", "text": "Weather?"},
                {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,iVBORw0KGgo="}},
                {"type": "image_url", "image_url": {"url": "s3://bucket/a.png"}},
                {
                    "type": "file",
                    "file": {"filename": "a_b 1.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
                },
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            ]
        ),
        {
            "role": "assistant",
            "thinking_blocks": thoughts,
            "tool_calls": [{"id": f"call_{n}", "type": "function", "function": f} for n, f in enumerate(functions)],
        },
        {"role": "tool", "tool_call_id": "call_0", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_1", "content": "", "is_error": True},
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        temperature=0.5,
        top_p=0.9,
        stop=["END"],
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        top_k=5,
        seed=7,
        max_tokens=50,
    )


def test_a_body_with_everything_is_one_that_the_library_accepts(service: Any) -> None:
    validator = pytest.importorskip("botocore.validate").ParamValidator()
    body = everything()
    shape = service.operation_model("Converse").input_shape
    report = validator.validate({"modelId": "amazon.nova-lite-v1:0", **body}, shape)
    assert not report.has_errors(), report.generate_report()
    assert body["inferenceConfig"] == {"maxTokens": 50, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]}
    assert body["system"] == [{"text": "Be kind."}, {"cachePoint": {"type": "default"}}]
    asked, said, results = body["messages"]
    assert asked["content"][1]["image"] == {"format": "jpeg", "source": {"bytes": "iVBORw0KGgo="}}
    assert asked["content"][2]["image"]["source"] == {"s3Location": {"uri": "s3://bucket/a.png"}}
    assert asked["content"][3]["document"]["name"] == "a b 1"
    assert [next(iter(block)) for block in said["content"]] == ["reasoningContent"] * 2 + ["toolUse"] * 2
    assert results["content"][1]["toolResult"]["status"] == "error"
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "weather"}}
    assert body["additionalModelRequestFields"] == {"top_k": 5}
    assert json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]) == SCHEMA


@pytest.mark.parametrize(
    "parameters",
    [{"n": 2}, {"logprobs": True}, {"response_format": {"type": "json_object"}}, {"guardrailConfig": {}},
     {"max_new_tokens": 10**6}, {"inferenceConfig": {"maxTokens": 10**6}}, {"tools": [{"systemTool": {"name": "x"}}]},
     {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/a.png"}}]}]}],
)  # fmt: skip
def test_what_this_wire_cannot_say_or_a_caller_may_not_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        encode_request(Call("m", {"messages": [user("x")], **parameters}))
    assert (caught.value.code, caught.value.retryable) == ("provider_rejected", False)


def test_an_operators_guardrail_is_sent() -> None:
    guardrail = {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    body = encode_request(CALL, {"guardrailConfig": guardrail, "additionalModelRequestFields": {"a": 1}})
    assert body["guardrailConfig"] == guardrail
    assert body["additionalModelRequestFields"] == {"a": 1}


BLOCKS: list[dict[str, Any]] = [
    {"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "s1g"}}},
    {"text": "Sunny"},
    {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Paris"}}},
    {"toolUse": {"toolUseId": "t2", "name": "now", "input": {}}},
]
USAGE = {"inputTokens": 10, "outputTokens": 20, "totalTokens": 130, "cacheReadInputTokens": 100}
ANSWER = {
    "output": {"message": {"role": "assistant", "content": BLOCKS}},
    "stopReason": "tool_use",
    "usage": USAGE,
    "metrics": {"latencyMs": 3},
}
EVENTS: list[dict[str, Any]] = [
    {"messageStart": {"role": "assistant", "p": "x"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Let me "}}}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "see."}}}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "s1g"}}}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "Sun"}, "p": "abcd"}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "ny"}}},
    {"contentBlockStart": {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}}},
    {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"city":'}}}},
    {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '"Paris"}'}}}},
    {"contentBlockStart": {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t2", "name": "now"}}}},
    {"notInventedYet": {}},
    {"messageStop": {"stopReason": "tool_use"}},
    {"metadata": {"usage": USAGE, "metrics": {"latencyMs": 3}, "p": "abc"}},
]


def test_a_stream_ends_as_the_whole_answer_does() -> None:
    decoder = StreamDecoder(CALL)
    texts = [delta.text for event in EVENTS if isinstance(delta := decoder.feed(event), Delta) and delta.text]
    assert texts == ["Sun", "ny"]
    streamed, (text, whole) = decoder.end(), decode(ANSWER, CALL)
    assert text == "Sunny"
    assert whole.finish_reason == "tool_calls"
    assert whole.usage == Usage(110, 20)
    assert whole.extra["usage"]["prompt_tokens_details"] == {"cached_tokens": 100, "cache_write_tokens": 0}
    assert whole.extra["message"]["reasoning_content"] == "Let me see."
    assert whole.extra["metrics"] == {"latencyMs": 3}
    calls = streamed.extra["message"].pop("tool_calls")
    plain = whole.extra["message"].pop("tool_calls")
    assert [call.pop("index") for call in calls] == [0, 1]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"city": "Paris"}, {}]
    assert [call["id"] for call in calls] == [call["id"] for call in plain]
    assert streamed == whole


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("end_turn", "stop"), ("max_tokens", "length"), ("guardrail_intervened", "content_filter"),
     ("content_filtered", "content_filter"), ("new", "new")],
)  # fmt: skip
def test_finish_reasons_are_mapped(reason: str, expected: str) -> None:
    assert decode({**ANSWER, "stopReason": reason}, CALL)[1].finish_reason == expected


@pytest.mark.parametrize(
    "data", [None, [], {}, "x", {"output": {}}, {"output": {"message": {"content": [{"text": 3}]}}, "stopReason": "x"},
             {**ANSWER, "stopReason": None}, {**ANSWER, "stopReason": "malformed_tool_use"}]
)  # fmt: skip
def test_what_is_no_answer_is_a_retryable_error(data: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        decode(data, CALL)
    assert (caught.value.code, caught.value.retryable) == ("provider_protocol", True)


@pytest.mark.parametrize("event", [None, [], {}, {"a": 1, "b": 2}, {"messageStop": {}}, {"contentBlockDelta": {}}])
def test_an_event_that_is_none_is_an_error(event: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        StreamDecoder(CALL).feed(event)
    assert caught.value.code == "provider_protocol"


@pytest.mark.parametrize(
    ("kind", "status", "code", "retryable"),
    [
        ("ThrottlingException", 429, "provider_rate_limit", True),
        ("ServiceUnavailableException:http://x/", 503, "provider_server", True),
        ("ModelTimeoutException", 408, "provider_timeout", True),
        ("AccessDeniedException", 403, "provider_auth", False),
        ("ValidationException", 400, "provider_rejected", False),
    ],
)
def test_errors_are_named_by_a_header(kind: str, status: int, code: str, retryable: bool) -> None:
    found = error_of({"message": "why"}, status, {"x-amzn-errortype": kind})
    assert (found.code, found.retryable) == (code, retryable)
    assert "why" in found.message


def test_an_exception_inside_a_stream_is_raised_by_its_name() -> None:
    raw = frame("throttlingException", {"message": "slow down"}, "exception")
    (event,) = FrameParser().feed(raw)
    with pytest.raises(ProviderError, match="slow down") as caught:
        StreamDecoder(CALL).feed(json.loads(event))
    assert (caught.value.code, caught.value.retryable) == ("provider_rate_limit", True)


def test_one_flipped_bit_is_seen() -> None:
    raw = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hello"}})
    assert FrameParser().feed(raw)
    for at in range(len(raw)):
        spoilt = bytearray(raw)
        spoilt[at] ^= 1
        parser = FrameParser(max_frame=4096)
        try:
            assert not parser.feed(bytes(spoilt))
            parser.end()
        except StreamBroken:
            continue
        pytest.fail(f"bit of byte {at} was not seen")


def test_the_librarys_own_client_reads_the_stand_in(client: tuple[Any, Any]) -> None:
    boto, _ = client
    asked = {"modelId": "amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    whole = boto.converse(**asked)["output"]["message"]["content"][0]["text"]
    events = list(boto.converse_stream(**asked)["stream"])
    assert (
        "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
        == whole
    )
    assert events[-1]["metadata"]["usage"]["outputTokens"] > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_signed_call_is_answered_and_its_signature_is_the_librarys(credentials: None, stream: bool) -> None:
    pytest.importorskip("boto3")
    with running() as (url, _):
        provider: Any = Providers({"p": {"type": "bedrock", "base_url": url, "region": "eu-west-1"}}).get("p")
        call = Call("amazon.nova-lite-v1:0", CALL.body, stream=stream)
        events = [event async for event in provider.chat(call)]
        assert isinstance(events[-1], End)
        path = "/model/amazon.nova-lite-v1:0/converse"
        headers = provider._signature(path, encode_request(call))
        await provider.close()
    scope = "/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert scope in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "session"
    assert "planted-canary" not in json.dumps(headers) + repr(vars(provider))


def test_what_is_signed_is_the_path_that_is_sent() -> None:
    yarl = pytest.importorskip("yarl")
    for model in ("anthropic.claude-x-v2:0", "arn:aws:bedrock:us-east-1:1:inference-profile/us.x", "a b"):
        path = f"/model/{quote(model, safe=':')}/converse"
        assert yarl.URL(f"https://h{path}").raw_path == path


async def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    provider = Providers({"p": {"type": "bedrock"}}).get("p")
    with pytest.raises(ProviderError, match=r"headgate\[bedrock\]"):
        await anext(aiter(provider.chat(CALL)))


def test_the_region_is_part_of_the_address_and_of_nothing_else() -> None:
    provider: Any = Providers({"p": {"type": "bedrock", "region": "eu-central-1", "key": "k"}}).get("p")
    assert provider.transport._place.host == "bedrock-runtime.eu-central-1.amazonaws.com"
    assert provider.identity("m") == {"type": "bedrock", "model": "m", "behaviour": 1}
    assert plugins.load("wires", "bedrock-converse").behaviour == 1
    with pytest.raises(Exception, match="region"):
        Providers({"p": {"type": "bedrock", "region": "evil.example/"}}).get("p")
