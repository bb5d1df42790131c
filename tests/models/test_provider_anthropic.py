"""Anthropic's messages: what of an OpenAI-shaped call is sent, and what of an answer comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.kernel import Usage
from headgate.models import Call, Delta, ProviderError, Providers
from headgate.models.wires.anthropic_messages import StreamDecoder, decode, encode_request, error_of

PNG = "iVBORw0KGgo="
CALL = Call("claude-x", {"messages": [{"role": "user", "content": "hello"}]})
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather of a city", "parameters": SCHEMA}}


def sent(*messages: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    return encode_request(Call("claude-x", {"messages": list(messages), **parameters}))


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_system_messages_stand_apart_and_neighbours_are_joined() -> None:
    body = sent(
        {"role": "system", "content": "Be kind."},
        user("one"),
        user([{"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}]),
        {"role": "developer", "content": "Be brief."},
        {"role": "assistant", "content": "three"},
    )
    assert [block["text"] for block in body["system"]] == ["Be kind.", "Be brief."]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant"]
    assert [block["text"] for block in body["messages"][0]["content"]] == ["one", "two"]
    assert body["messages"][0]["content"][1]["cache_control"] == {"type": "ephemeral"}
    assert (body["model"], body["max_tokens"], body["stream"]) == ("claude-x", 4096, False)


def test_parallel_calls_and_their_results_become_blocks() -> None:
    calls = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": "weather", "arguments": json.dumps({"city": city})},
        }
        for n, city in enumerate(("Paris", "Rome"))
    ]
    body = sent(
        user("Weather?"),
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_0", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "rain"}], "is_error": True},
        tools=[TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
    )
    _, said, results = body["messages"]
    assert said["content"][1] == {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Rome"}}
    assert results["role"] == "user"
    assert results["content"] == [
        {"type": "tool_result", "tool_use_id": "call_0", "content": "sunny"},
        {"type": "tool_result", "tool_use_id": "call_1", "content": "rain", "is_error": True},
    ]
    assert body["tools"] == [{"name": "weather", "description": "Weather of a city", "input_schema": SCHEMA}]
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
    ],
)
def test_tool_choices_have_their_own_words(choice: Any, expected: dict[str, Any]) -> None:
    assert sent(user("x"), tools=[TOOL], tool_choice=choice)["tool_choice"] == expected


def test_media_are_sent_as_data_or_as_links() -> None:
    body = sent(
        user(
            [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
                {"type": "file", "file": {"file_data": "data:text/plain;base64,aGVsbG8="}},
            ]
        )
    )
    image, link, pdf, text = body["messages"][0]["content"]
    assert image["source"] == {"type": "base64", "media_type": "image/png", "data": PNG}
    assert link["source"] == {"type": "url", "url": "https://example.org/a.png"}
    assert (pdf["type"], pdf["title"], pdf["source"]["media_type"]) == ("document", "a.pdf", "application/pdf")
    assert text["source"] == {"type": "text", "media_type": "text/plain", "data": "hello"}


def test_parameters_are_translated_sent_on_or_left_out() -> None:
    body = sent(
        user("x"),
        stop=["END"],
        temperature=0.5,
        top_k=4,
        seed=7,
        user="u-1",
        reasoning_effort="high",
        thinking={"type": "adaptive"},
        made_up={"a": 1},
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        service_tier="flex",
        max_sentences=2,
        n=1,
    )
    assert body["stop_sequences"] == ["END"]
    assert (body["temperature"], body["top_k"], body["made_up"]) == (0.5, 4, {"a": 1})
    assert body["thinking"] == {"type": "adaptive"}
    assert body["output_config"] == {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}}
    assert body["metadata"] == {"user_id": "u-1"}
    assert not {"seed", "stop", "user", "service_tier", "max_sentences", "n", "response_format"} & body.keys()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n": 2}, "one answer"),
        ({"logprobs": True}, "log-probabilities"),
        ({"modalities": ["text", "audio"]}, "text only"),
        ({"response_format": {"type": "json_object"}}, "by a schema"),
        ({"response_format": {"type": "odd"}}, "response format 'odd'"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search_20250305"),
        ({"tools": [TOOL], "tool_choice": {"type": "odd"}}, "tool choice"),
        ({"mcp_servers": [{"url": "http://10.0.0.1"}]}, "mcp_servers"),
    ],
)
def test_what_this_wire_cannot_say_is_refused_clearly(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ProviderError, match=words) as caught:
        sent(user("x"), **parameters)
    assert (caught.value.code, caught.value.retryable) == ("provider_rejected", False)


@pytest.mark.parametrize(
    "content",
    [[{"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}], [{"type": "odd"}], [7], ["text"],
     [{"type": "file", "file": {"file_id": "f"}}], [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]],
)  # fmt: skip
def test_parts_that_cannot_be_sent_are_refused_clearly(content: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        sent(user(content))
    assert caught.value.code == "provider_rejected"


def test_broken_arguments_of_an_earlier_call_are_handed_on() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": '}}
    body = sent({"role": "assistant", "tool_calls": [call]})
    assert body["messages"][0]["content"][0]["input"] == {"arguments": '{"city": '}


ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x-1",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "s1g"},
        {"type": "text", "text": "Sunny"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
        {"type": "made_up", "x": 1},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 5,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 8},
    },
    "container": {"id": "c1"},
}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**ANSWER, "content": [], "stop_reason": None, "usage": {
        "input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 5, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Let me "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "see."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s1g"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "ping"},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Sun"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "ny"}},
    {"type": "content_block_start", "index": 2, "content_block": {
        "type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"city":'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '"Paris"}'}},
    {"type": "content_block_start", "index": 3, "content_block": {
        "type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}},
    {"type": "content_block_start", "index": 4, "content_block": {"type": "made_up", "x": 1}},
    {"type": "not_invented_yet"},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {
        "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 8}}},
    {"type": "message_stop"},
]  # fmt: skip


def test_an_answer_keeps_calls_thoughts_usage_and_what_is_not_known() -> None:
    text, end = decode(ANSWER, CALL)
    assert (text, end.finish_reason, end.model) == ("Sunny", "tool_calls", "claude-x-1")
    assert end.usage == Usage(115, 20)
    message = end.extra["message"]
    assert [call["id"] for call in message["tool_calls"]] == ["toolu_1", "toolu_2"]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris"}
    assert message["tool_calls"][1]["function"]["arguments"] == "{}"
    assert message["reasoning_content"] == "Let me see."
    assert message["content_blocks"] == [{"type": "made_up", "x": 1}]
    assert end.extra["usage"]["prompt_tokens_details"] == {"cached_tokens": 100, "cache_write_tokens": 5}
    assert end.extra["usage"]["completion_tokens_details"] == {"reasoning_tokens": 8}
    assert end.extra["usage"]["cache_read_input_tokens"] == 100
    assert end.extra["choice"] == {"native_finish_reason": "tool_use"}
    assert end.extra["container"] == {"id": "c1"}


def test_a_stream_ends_as_the_whole_answer_does() -> None:
    decoder = StreamDecoder(CALL)
    texts = [delta.text for event in EVENTS if isinstance(delta := decoder.feed(event), Delta) and delta.text]
    assert texts == ["Sun", "ny"]
    assert decoder.finished
    streamed, (_, whole) = decoder.end(), decode(ANSWER, CALL)
    calls = streamed.extra["message"].pop("tool_calls")
    plain = whole.extra["message"].pop("tool_calls")
    assert [call.pop("index") for call in calls] == [0, 1]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"city": "Paris"}, {}]
    assert [call["id"] for call in calls] == [call["id"] for call in plain]
    assert streamed == whole


def test_thoughts_are_handed_back_before_anything_else() -> None:
    _, end = decode(ANSWER, CALL)
    body = sent(user("x"), {"role": "assistant", "content": "Sunny", **end.extra["message"]})
    assert [block["type"] for block in body["messages"][1]["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert body["messages"][1]["content"][0]["signature"] == "s1g"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"),
     ("refusal", "content_filter"), ("model_context_window_exceeded", "length"), ("new", "new")],
)  # fmt: skip
def test_finish_reasons_are_mapped(reason: str, expected: str) -> None:
    _, end = decode({**ANSWER, "stop_reason": reason}, CALL)
    assert end.finish_reason == expected
    assert end.extra["choice"]["native_finish_reason"] == reason


@pytest.mark.parametrize(
    "data", [None, [], {}, "x", {"content": []}, {"content": [{}], "stop_reason": "end_turn"},
             {"content": [{"type": "text"}], "stop_reason": "end_turn"}, {"content": [], "stop_reason": None}]
)  # fmt: skip
def test_what_is_no_answer_is_a_retryable_error(data: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        decode(data, CALL)
    assert (caught.value.code, caught.value.retryable) == ("provider_protocol", True)


@pytest.mark.parametrize(
    "event", [None, [], {}, {"type": "content_block_delta"}, {"type": "message_start"},
              {"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta"}}]
)  # fmt: skip
def test_an_event_that_is_none_is_an_error(event: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        StreamDecoder(CALL).feed(event)
    assert caught.value.code == "provider_protocol"


def test_an_error_in_the_middle_of_a_stream_is_raised() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(ProviderError, match="Overloaded") as caught:
        StreamDecoder(CALL).feed(error)
    assert (caught.value.code, caught.value.retryable) == ("provider_server", True)


def test_a_block_by_policy_is_never_tried_elsewhere() -> None:
    message = "Output blocked by content filtering policy"
    found = error_of({"error": {"type": "invalid_request_error", "message": message}}, 400, {})
    assert (found.code, found.retryable) == ("content_filter", False)


def test_betas_and_version_are_headers_and_betas_are_pinned() -> None:
    provider: Any = Providers({"p": {"type": "anthropic", "key": "k", "betas": ["b-1", "a-1"]}}).get("p")
    assert provider.transport._headers == {
        "anthropic-version": "2023-06-01",
        "x-api-key": "k",
        "anthropic-beta": "b-1,a-1",
    }
    assert provider.identity("m") == {"type": "anthropic", "model": "m", "behaviour": 1, "betas": ["a-1", "b-1"]}
    price = provider.price("claude-sonnet-4-5")
    assert price is not None
    assert price.output > price.input > 0
