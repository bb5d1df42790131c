"""Gemini's contents: what of an OpenAI-shaped call is sent, and what of an answer comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.kernel import Usage
from headgate.models import Call, Delta, ProviderError, Providers
from headgate.models.wires.gemini_contents import StreamDecoder, decode, encode_request, error_of

CALL = Call("gemini-3-pro", {"messages": [{"role": "user", "content": "hello"}]})
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather of a city", "parameters": SCHEMA}}


def sent(*messages: dict[str, Any], model: str = "gemini-3-pro", **parameters: Any) -> dict[str, Any]:
    return encode_request(Call(model, {"messages": list(messages), **parameters}))


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_system_and_turns_have_their_own_words() -> None:
    body = sent({"role": "system", "content": "Be kind."}, user("one"), {"role": "assistant", "content": "two"})
    assert body["systemInstruction"] == {"parts": [{"text": "Be kind."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "one"}]},
        {"role": "model", "parts": [{"text": "two"}]},
    ]
    assert body["generationConfig"] == {"maxOutputTokens": 4096}
    assert not {"model", "stream", "messages"} & body.keys()


def test_parallel_calls_and_their_results_become_parts() -> None:
    functions = [{"name": "weather", "arguments": json.dumps({"city": city})} for city in ("Paris", "Rome")]
    calls: list[dict[str, Any]] = [
        {"id": f"call_{n}", "type": "function", "function": function} for n, function in enumerate(functions)
    ]
    calls[0]["extra_content"] = {"google": {"thought_signature": "s1g"}}
    body = sent(
        user("Weather?"),
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_0", "content": '{"sky": "blue"}'},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
    )
    _, said, results = body["contents"]
    assert said["parts"] == [
        {"functionCall": {"name": "weather", "args": {"city": "Paris"}, "id": "call_0"}, "thoughtSignature": "s1g"},
        {"functionCall": {"name": "weather", "args": {"city": "Rome"}, "id": "call_1"}},
    ]
    assert results == {
        "role": "user",
        "parts": [
            {"functionResponse": {"name": "weather", "response": {"sky": "blue"}, "id": "call_0"}},
            {"functionResponse": {"name": "weather", "response": {"result": "rain"}, "id": "call_1"}},
        ],
    }
    declared = {"name": "weather", "description": "Weather of a city", "parametersJsonSchema": SCHEMA}
    assert body["tools"] == [{"functionDeclarations": [declared]}]
    config = {"mode": "ANY", "allowedFunctionNames": ["weather"]}
    assert body["toolConfig"] == {"functionCallingConfig": config}


def test_an_id_that_we_made_up_is_not_sent_back() -> None:
    _, end = decode(answer([{"functionCall": {"name": "now"}}]), CALL)
    call = end.extra["message"]["tool_calls"][0]
    assert call["id"]
    body = sent(
        user("x"),
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "noon"},
    )
    assert body["contents"][1]["parts"] == [{"functionCall": {"name": "now", "args": {}}}]
    assert body["contents"][2]["parts"] == [{"functionResponse": {"name": "now", "response": {"result": "noon"}}}]


def test_media_are_sent_as_data_or_as_links() -> None:
    body = sent(
        user(
            [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.webp?x=1"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
            ]
        )
    )
    assert body["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        {"fileData": {"fileUri": "https://example.org/a.webp?x=1", "mimeType": "image/webp"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
    ]


@pytest.mark.parametrize("name", ["responseModalities", "response_modalities"])
def test_spoken_answers_are_refused_under_both_names(name: str) -> None:
    with pytest.raises(ProviderError, match="text only"):
        sent(user("x"), generationConfig={name: ["AUDIO"]})


@pytest.mark.parametrize("link", ["https://example.org/film.mp4", "https://example.org/a.pdf", "https://example.org/a"])
def test_a_link_to_something_else_is_asked_for_as_a_picture(link: str) -> None:
    body = sent(user([{"type": "image_url", "image_url": {"url": link}}]))
    assert body["contents"][0]["parts"] == [{"fileData": {"fileUri": link, "mimeType": "image/jpeg"}}]


def test_parameters_are_translated_sent_on_or_left_out() -> None:
    body = sent(
        user("x"),
        max_tokens=50,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        stop="END",
        user="u",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        generationConfig={
            "topK": 3,
            "maxOutputTokens": 10**6,
            "candidateCount": 8,
            "max_output_tokens": 10**6,
            "candidate_count": 8,
        },
        safetySettings=[{"category": "c", "threshold": "BLOCK_NONE"}],
    )
    assert body["generationConfig"] == {
        "topK": 3,
        "maxOutputTokens": 50,
        "temperature": 0.5,
        "topP": 0.9,
        "seed": 7,
        "stopSequences": ["END"],
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }
    assert body["safetySettings"] == [{"category": "c", "threshold": "BLOCK_NONE"}]
    assert "user" not in body
    assert sent(user("x"), response_format={"type": "json_object"})["generationConfig"]["responseMimeType"]


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gemini-3-pro", "high", {"thinkingLevel": "high"}),
        ("gemini-3-pro", "none", {"thinkingLevel": "minimal"}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024}),
        ("models/gemini-2.5-flash", "none", {"thinkingBudget": 0}),
    ],
)
def test_an_effort_is_a_level_or_a_budget(model: str, effort: str, expected: dict[str, Any]) -> None:
    assert sent(user("x"), model=model, reasoning_effort=effort)["generationConfig"]["thinkingConfig"] == expected


@pytest.mark.parametrize(
    "parameters",
    [{"n": 2}, {"logprobs": True}, {"tools": [{"googleSearch": {}}]},
     {"generationConfig": {"responseModalities": ["IMAGE"]}}, {"response_format": {"type": "odd"}}],
)  # fmt: skip
def test_what_this_wire_cannot_say_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        sent(user("x"), **parameters)
    assert (caught.value.code, caught.value.retryable) == ("provider_rejected", False)


def answer(parts: list[dict[str, Any]], reason: str | None = "STOP", **fields: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0, "safetyRatings": [{"category": "c"}]}
    found = {"modelVersion": "gemini-3-pro-001", "responseId": "r", "candidates": [candidate], **fields}
    if reason:
        candidate["finishReason"] = reason
    return found


USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 7,
    "thoughtsTokenCount": 30,
    "totalTokenCount": 137,
}
PARTS: list[dict[str, Any]] = [
    {"text": "Let me see.", "thought": True},
    {"text": "Sun"},
    {"text": "ny", "thoughtSignature": "t3xt"},
    {"functionCall": {"name": "weather", "args": {"city": "Paris"}, "id": "a"}, "thoughtSignature": "s1g"},
    {"functionCall": {"name": "weather", "args": {"city": "Rome"}, "id": "b"}},
    {"madeUp": {"x": 1}},
]


def test_an_answer_keeps_calls_thoughts_usage_and_what_is_not_known() -> None:
    text, end = decode(answer(PARTS, usageMetadata=USAGE, madeUp=1), CALL)
    assert (text, end.finish_reason, end.model) == ("Sunny", "tool_calls", "gemini-3-pro-001")
    assert end.usage == Usage(100, 37)
    message = end.extra["message"]
    assert [json.loads(call["function"]["arguments"]) for call in message["tool_calls"]] == [
        {"city": "Paris"},
        {"city": "Rome"},
    ]
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s1g"}}
    assert message["reasoning_content"] == "Let me see."
    assert message["content_blocks"] == [{"madeUp": {"x": 1}}]
    assert end.extra["usage"]["prompt_tokens_details"] == {"cached_tokens": 60}
    assert end.extra["usage"]["completion_tokens_details"] == {"reasoning_tokens": 30}
    assert end.extra["choice"] == {"safetyRatings": [{"category": "c"}], "native_finish_reason": "STOP"}
    assert end.extra["madeUp"] == 1


def test_a_stream_ends_as_the_whole_answer_does() -> None:
    decoder = StreamDecoder(CALL)
    chunks = [answer([part], None) for part in PARTS] + [answer([], usageMetadata=USAGE)]
    texts = [delta.text for chunk in chunks if isinstance(delta := decoder.feed(chunk), Delta) and delta.text]
    assert texts == ["Sun", "ny"]
    streamed, (_, whole) = decoder.end(), decode(answer(PARTS, usageMetadata=USAGE), CALL)
    assert [call.pop("index") for call in streamed.extra["message"]["tool_calls"]] == [0, 1]
    assert streamed == whole


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("RECITATION", "content_filter"),
     ("PROHIBITED_CONTENT", "content_filter"), ("SPII", "content_filter"), ("BLOCKLIST", "content_filter"),
     ("OTHER", "other")],
)  # fmt: skip
def test_finish_reasons_are_mapped(reason: str, expected: str) -> None:
    _, end = decode(answer([], reason), CALL)
    assert end.finish_reason == expected
    assert end.extra["choice"]["native_finish_reason"] == reason


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_prompt_is_an_error_that_is_never_tried_elsewhere(stream: bool) -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    with pytest.raises(ProviderError, match="SAFETY") as caught:
        StreamDecoder(CALL).feed(blocked) if stream else decode(blocked, CALL)
    assert (caught.value.code, caught.value.retryable) == ("content_filter", False)


@pytest.mark.parametrize(
    "data", [None, [], {}, "x", 7, {"candidates": []}, {"candidates": [7]}, answer([{"text": 3}]), answer([], None),
             answer([{"functionCall": {"args": {}}}]), answer([], "MALFORMED_FUNCTION_CALL"),
             {"candidates": {"a": 1}}]
)  # fmt: skip
def test_what_is_no_answer_is_a_retryable_error(data: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        decode(data, CALL)
    assert (caught.value.code, caught.value.retryable) == ("provider_protocol", True)


def test_errors_say_why_and_how_long_to_wait() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31.5s"}]
    error = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota", "details": details}}
    for data in (error, [error]):
        found = error_of(data, 429, {})
        assert (found.code, found.retryable, found.retry_after) == ("provider_rate_limit", True, 31.5)
    details = [{"reason": "API_KEY_INVALID"}]
    wrong = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key", "details": details}}
    assert error_of(wrong, 400, {}).code == "provider_auth"
    with pytest.raises(ProviderError, match="Quota"):
        StreamDecoder(CALL).feed([error])


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-3-pro", False, "/models/gemini-3-pro:generateContent"),
        ("gemini-3-pro", True, "/models/gemini-3-pro:streamGenerateContent?alt=sse"),
        ("tunedModels/mine", False, "/tunedModels/mine:generateContent"),
        ("a?b#c d", False, "/models/a%3Fb%23c%20d:generateContent"),
    ],
)
def test_the_model_is_part_of_the_path(model: str, stream: bool, path: str) -> None:
    provider: Any = Providers({"p": {"type": "gemini", "key": "k"}}).get("p")
    assert provider._prepare(Call(model, CALL.body, stream=stream))[0] == path
    assert provider.transport._headers == {"x-goog-api-key": "k"}
    price = provider.price("gemini-2.5-flash")
    assert price is not None
    assert price.output > price.input > 0
