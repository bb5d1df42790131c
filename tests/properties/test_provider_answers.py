"""Whatever a provider sends, a codec reads it as an answer or raises `ProviderError`, and nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel import Usage, plugins
from headgate.models import Call, End, ProviderError
from headgate.models.upstream.frames import FrameParser
from headgate.testing.dialects import AnthropicDialect, BedrockDialect, Dialect, GeminiDialect, OpenAIDialect

CALL = Call("m", {"messages": [{"role": "user", "content": "hello"}]}, stream=True)
BODY: dict[str, Any] = {"model": "m", "stream_options": {"include_usage": True}}
USED = Usage(3, 4)
DIALECTS: dict[str, Dialect] = {
    "openai-chat": OpenAIDialect(),
    "anthropic-messages": AnthropicDialect(),
    "gemini-contents": GeminiDialect(),
    "bedrock-converse": BedrockDialect(),
}
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**65), st.floats(allow_nan=False), st.text(max_size=3),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from([{"error": {"message": 3}}, {"error": {"type": []}}, [[]], [{}], {"type": "tool_use"}]),
)  # fmt: skip
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aA=="}}
REQUEST: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]},
        {"role": "assistant", "content": "y", "thinking_blocks": [{"type": "thinking", "thinking": "t"}],
         "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "z"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "stop": ["a"], "metadata": {"user_id": "u"}, "reasoning_effort": "low", "n": 1, "max_tokens": 5,
    "output_config": {"effort": "low"}, "generationConfig": {"topK": 1},
}  # fmt: skip


def whole(wire: str) -> dict[str, Any]:
    return DIALECTS[wire].whole(BODY, "hello", USED, True)


def events(wire: str) -> list[Any]:
    dialect = DIALECTS[wire]
    raw = dialect.opening(BODY, USED) + dialect.piece(BODY, "hi")
    raw += (b"" if wire == "gemini-contents" else dialect.tool(BODY)) + dialect.closing(BODY, USED, True)
    if wire == "bedrock-converse":
        return [json.loads(text) for text in FrameParser().feed(raw)]
    return [json.loads(line[6:]) for line in raw.decode().split("\n") if line.startswith("data: {")]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


def spoilt(draw: st.DrawFn, value: Any) -> Any:
    """Put something odd in one place of a sound document, or take the place away."""
    value = copy.deepcopy(value)
    path = draw(st.sampled_from(list(places(value))))
    if not path:
        return draw(ODD)
    held = value
    for key in path[:-1]:
        held = held[key]
    if draw(st.booleans()):
        held[path[-1]] = draw(ODD)
    else:
        del held[path[-1]]
    return value


@pytest.mark.parametrize("wire", DIALECTS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_document_is_an_answer_or_a_provider_error(wire: str, data: st.DataObject) -> None:
    document = data.draw(st.composite(spoilt)(whole(wire)))
    try:
        text, end = plugins.load("wires", wire).decode(document, CALL)
    except ProviderError:
        return
    assert isinstance(text, str)
    sound(end)


@pytest.mark.parametrize("wire", DIALECTS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_stream_is_an_answer_or_a_provider_error(wire: str, data: st.DataObject) -> None:
    chunks = data.draw(st.composite(spoilt)(events(wire)))
    decoder = plugins.load("wires", wire).stream(CALL)
    try:
        for chunk in chunks if isinstance(chunks, list) else [chunks]:
            delta = decoder.feed(chunk)
            assert delta is None or (isinstance(delta.text, str) and isinstance(delta.reasoning, str))
        sound(decoder.end())
    except ProviderError:
        return


@pytest.mark.parametrize("wire", DIALECTS)
@settings(max_examples=100, deadline=None)
@given(data=st.data(), status=st.sampled_from([None, 200, 400, 401, 404, 429, 500, 503]))
def test_any_refusal_has_a_code(wire: str, data: st.DataObject, status: int | None) -> None:
    document = data.draw(st.composite(spoilt)(DIALECTS[wire].error(503)))
    found = plugins.load("wires", wire).error_of(document, status, {"retry-after": "x"})
    assert found.code.startswith("provider_") or found.code == "content_filter"
    assert len(found.message) < 400


@pytest.mark.parametrize("wire", [wire for wire in DIALECTS if wire != "openai-chat"])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_body_is_sent_as_json_or_refused(wire: str, data: st.DataObject) -> None:
    body = data.draw(st.composite(spoilt)(REQUEST))
    try:
        sent = plugins.load("wires", wire).encode_request(Call("m", body if isinstance(body, dict) else {}))
    except ProviderError as problem:
        refusal = problem
    else:
        json.dumps(sent)
        return
    assert refusal.code == "provider_rejected"


def sound(end: End) -> None:
    assert isinstance(end.finish_reason, str)
    assert end.usage.input_tokens >= 0
    assert end.usage.output_tokens >= 0
    json.dumps(dict(end.extra))
