"""Requests of Anthropic's wire: what of them becomes neutral, what a provider of that wire gets back, what is refused.

The round trip goes through the provider's own encoder: what an Anthropic client writes reaches Anthropic unharmed.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel import InvalidInput
from headgate.models import Call
from headgate.models.edges.anthropic_messages import plugin
from headgate.models.wires.anthropic_messages import encode_request

PNG = "iVBORw0KGgo="
MARK = {"type": "ephemeral", "ttl": "1h"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
TOOL = {"name": "weather", "description": "Weather of a city", "input_schema": SCHEMA}
HELLO = [{"role": "user", "content": "hello"}]


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "support", "max_tokens": 100, "messages": HELLO, **fields}


def neutral(**fields: Any) -> dict[str, Any]:
    return plugin.decode_request(asked(**fields))


def returned(**fields: Any) -> dict[str, Any]:
    """Return what a provider of this wire is sent for a request."""
    body = neutral(**fields)
    return encode_request(Call("support", body, stream=body.get("stream", False)))


def text(words: str, **marks: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **marks}


def use(known: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": known, "name": "weather", "input": given}


def result(known: str, content: Any, **marks: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": known, "content": content, **marks}


CITED = {"type": "char_location", "cited_text": "Gr", "document_index": 0, "start_char_index": 0, "end_char_index": 2}
THOUGHT = {"type": "thinking", "thinking": "Paris, then.", "signature": "c2ln"}
HIDDEN = {"type": "redacted_thinking", "data": "aGlkZGVu"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
LINK = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PNG}, "title": "a.pdf"}
PAGE = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}, "title": "page"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"system": "Be kind."}, {"messages": [{"role": "system", "content": "Be kind."}, *HELLO]}),
        ({"system": [text("Be kind.")]}, {"messages": [{"role": "system", "content": "Be kind."}, *HELLO]}),
        (
            {"system": [text("Be kind.", cache_control=MARK)]},
            {"messages": [{"role": "system", "content": [text("Be kind.", cache_control=MARK)]}, *HELLO]},
        ),
        ({"messages": [*HELLO, {"role": "system", "content": [text("Be brief.")]}]},
         {"messages": [*HELLO, {"role": "system", "content": "Be brief."}]}),
        ({"stop_sequences": ["END"]}, {"stop": ["END"]}),
        ({"metadata": {"user_id": "u-1"}}, {"user": "u-1"}),
        ({"metadata": {"user_id": "u-1", "other": "x"}}, {"user": "u-1", "metadata": {"other": "x"}}),
        ({"tool_choice": {"type": "any"}}, {"tool_choice": "required"}),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
         {"tool_choice": "auto", "parallel_tool_calls": False}),
        ({"tool_choice": {"type": "none"}}, {"tool_choice": "none"}),
        ({"tool_choice": {"type": "tool", "name": "weather"}},
         {"tool_choice": {"type": "function", "function": {"name": "weather"}}}),
        ({"output_config": {"effort": "xhigh"}}, {"reasoning_effort": "xhigh"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}},
         {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ({"temperature": 0.5, "top_p": 0.9, "top_k": 4, "stream": True, "field_of_tomorrow": {"a": [1]}},
         {"temperature": 0.5, "top_p": 0.9, "top_k": 4, "stream": True, "field_of_tomorrow": {"a": [1]}}),
    ],
)  # fmt: skip
def test_a_request_in_neutral_words(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert neutral(**fields) == {"model": "support", "max_tokens": 100, "messages": HELLO, **expected}


def test_tools_become_functions_and_keep_what_else_they_say() -> None:
    tool = {**TOOL, "strict": True, "cache_control": MARK, "type": "custom"}
    function = {"name": "weather", "description": "Weather of a city", "parameters": SCHEMA, "strict": True}
    assert neutral(tools=[tool])["tools"] == [{"type": "function", "function": function, "cache_control": MARK}]


@pytest.mark.parametrize("field", ["output_config", "output_format"])
@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, {"strict": True}),
        (SCHEMA, {}),
        ({**CLOSED, "required": []}, {}),
        ({"type": "array", "items": {"anyOf": [CLOSED, SCHEMA]}}, {}),
    ],
)
def test_a_format_is_strict_where_openais_strict_mode_takes_the_schema(
    field: str, schema: dict[str, Any], strict: dict[str, Any]
) -> None:
    format_ = {"type": "json_schema", "schema": schema}
    body = neutral(**{field: {"format": format_} if field == "output_config" else format_})
    named = {"name": "output", "schema": schema, **strict}
    assert body["response_format"] == {"type": "json_schema", "json_schema": named}


def test_results_of_tools_are_messages_between_what_the_user_says() -> None:
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [THOUGHT, text("Let me see."), use("t1", city="Paris"), use("t2")]},
        {"role": "user", "content": [result("t1", "sunny"), result("t2", [text("no city"), IMAGE], is_error=True),
                                     text("And now?")]},
    ]  # fmt: skip
    url = f"data:image/png;base64,{PNG}"
    calls = [
        {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}},
        {"id": "t2", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
    ]
    assert neutral(messages=messages)["messages"] == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Let me see.", "thinking_blocks": [THOUGHT], "tool_calls": calls},
        {"role": "tool", "tool_call_id": "t1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "t2", "is_error": True,
         "content": [text("no city"), {"type": "image_url", "image_url": {"url": url}}]},
        {"role": "user", "content": "And now?"},
    ]  # fmt: skip


def test_documents_are_files_and_one_of_blocks_is_its_blocks() -> None:
    blocks = {"type": "document", "source": {"type": "content", "content": [text("one"), IMAGE]}}
    words = {"type": "document", "source": {"type": "content", "content": "two"}}
    link = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
    content = [PDF, PAGE, link, blocks, words]
    parts = neutral(messages=[{"role": "user", "content": content}])["messages"][0]["content"]
    page = base64.b64encode("Grüße".encode()).decode()
    assert parts[0] == {
        "type": "file",
        "file": {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "a.pdf"},
    }
    assert parts[1]["file"] == {"file_data": f"data:text/plain;base64,{page}", "filename": "page"}
    assert parts[2]["file"] == {"file_data": "https://example.com/a.pdf"}
    assert [part["type"] for part in parts[3:]] == ["text", "image_url", "text"]


def test_thoughts_without_a_signature_are_the_reasoning_of_another_provider() -> None:
    unsigned = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    messages = neutral(messages=[*HELLO, {"role": "assistant", "content": [unsigned, text("Hi")]}])["messages"]
    assert messages[1] == {"role": "assistant", "content": "Hi", "reasoning_content": "Hm."}


@pytest.mark.parametrize(
    ("content", "order"),
    [
        ([THOUGHT, text("a"), THOUGHT, use("t")], ["thinking", "text", "thinking", "tool_use"]),
        ([text("a"), HIDDEN, THOUGHT, use("t")], ["redacted_thinking", "thinking", "text", "tool_use"]),
        ([THOUGHT, use("t1"), use("t2")], ["thinking", "tool_use", "tool_use"]),
        ([text("a"), text("b", cache_control=MARK)], ["text", "text"]),
    ],
)  # fmt: skip
def test_a_turn_that_begins_with_a_thought_keeps_its_order(content: list[dict[str, Any]], order: list[str]) -> None:
    said = returned(messages=[*HELLO, {"role": "assistant", "content": content}])["messages"][1]
    assert [block["type"] for block in said["content"]] == order


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"model": None}, "model: Field required"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": {}}, "messages: Input should be a valid list"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": ["x"]}, "messages.0: Input should be a valid dictionary"),
        ({"messages": [{"content": "x"}]}, "messages.0.role: Field required"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content: Input should be a valid string or list"),
        ({"messages": [{"role": "user", "content": [text("a"), {}]}]}, "messages.0.content.1.type: Field required"),
        ({"messages": [{"role": "user", "content": [text("a"), {"type": "text"}]}]},
         "messages.0.content.1.text: Field required"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]},
         "messages.0.content.0: Input tag 'hologram' is not supported here"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]},
         "messages.0.content.0.source: Input tag 'file' is not supported here"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "x"}}]}]},
         "messages.0.content.0.source.media_type: Field required"),
        ({"messages": [{"role": "user", "content": [result("t", [{"type": "text", "text": 1}])]}]},
         "messages.0.content.0.content.0.text: Input should be a valid string"),
        ({"messages": [{"role": "assistant", "content": [{**use("t"), "input": "x"}]}]},
         "messages.0.content.0.input: Input should be a valid dictionary"),
        ({"messages": [{"role": "assistant", "content": [result("t", "x")]}]},
         "messages.0.content.0: Input tag 'tool_result' is not supported here"),
        ({"system": 7}, "system: Input should be a valid string or list"),
        ({"system": [IMAGE]}, "system.0: Input tag 'image' is not supported here"),
        ({"messages": [*HELLO, {"role": "system", "content": [IMAGE]}]},
         "messages.1.content.0: Input tag 'image' is not supported here"),
        ({"tools": [{"name": "x"}]}, "tools.0.input_schema: Field required"),
        ({"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]},
         "tools.1.type: tools of type 'web_search_20250305' cannot be used through this gateway"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name: Field required"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"),
        ({"stop_sequences": "END"}, "stop_sequences: Input should be a valid list"),
        ({"stop_sequences": ["END", 3]}, "stop_sequences.1: Input should be a valid string"),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"metadata": {"user_id": 7}}, "metadata.user_id: Input should be a valid string"),
        ({"output_config": {"format": {"type": "regex"}}}, "output_config.format.type: Input should be 'json_schema'"),
        ({"thread": {"type": "create"}}, "thread: this gateway keeps no state between requests"),
        ({"n": 2}, "n: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_the_words_of_that_api(body: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        plugin.decode_request(asked(**body))
    assert caught.value.message == message


def test_a_request_comes_back_to_its_own_wire_as_it_was_written() -> None:
    fields: dict[str, Any] = {
        "system": [text("Be kind."), text("Long pages.", cache_control=MARK)],
        "tools": [{**TOOL, "cache_control": MARK, "strict": True}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}},
        "service_tier": "standard_only",
        "top_k": 4,
        "temperature": 1,
        "stream": True,
        "messages": [
            {"role": "user", "content": [text("Weather?", cache_control=MARK), IMAGE, LINK, PDF,
                                         {**PAGE, "citations": {"enabled": True}, "context": "A page."}]},
            {"role": "assistant", "content": [THOUGHT, HIDDEN, text("Let me see.", citations=[CITED]),
                                              use("t1", city="Paris"), use("t2")]},
            {"role": "user", "content": [result("t1", "sunny", cache_control=MARK),
                                         result("t2", [text("none"), IMAGE], is_error=True), text("And now?")]},
        ],
    }  # fmt: skip
    assert returned(**fields) == asked(**fields)


WORDS = st.text(min_size=1, max_size=8).filter(lambda words: max(words) < "\ud800" or max(words) > "\udfff")
MARKS = st.sampled_from([{}, {"cache_control": MARK}])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=5,
)
TEXTS = st.builds(lambda words, marks: text(words, **marks), WORDS, MARKS)
MEDIA = st.builds(lambda block, marks: {**block, **marks}, st.sampled_from([IMAGE, LINK, PDF, PAGE]), MARKS)
SIGNED = st.builds(lambda words: {"type": "thinking", "thinking": words, "signature": "c2ln"}, WORDS)
USES = st.dictionaries(WORDS, VALUES, max_size=2).map(lambda given_: ("use", given_))


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Turns as that API takes them: who spoke alternates, calls are answered first, blocks stand in its order."""
    messages: list[dict[str, Any]] = []
    waiting: list[str] = []
    for turn in range(draw(st.integers(1, 3))):
        answers = [result(known, draw(WORDS | st.lists(TEXTS | MEDIA, min_size=2, max_size=3).filter(
            lambda parts: any(part["type"] != "text" for part in parts)))) for known in waiting]  # fmt: skip
        messages.append({"role": "user", "content": answers + draw(st.lists(TEXTS | MEDIA, min_size=1, max_size=3))})
        waiting = [f"t{turn}_{call}" for call in range(draw(st.integers(0, 2)))]
        said = draw(st.lists(SIGNED | st.just(HIDDEN), max_size=2)) + draw(st.lists(TEXTS, min_size=1, max_size=2))
        said += [use(known, **draw(st.dictionaries(WORDS, VALUES, max_size=2))) for known in waiting]
        messages.append({"role": "assistant", "content": said})
    return messages


@settings(max_examples=100, deadline=None)
@given(conversations(), st.lists(TEXTS, max_size=2))
def test_any_conversation_comes_back_to_its_own_wire(
    messages: list[dict[str, Any]], system: list[dict[str, Any]]
) -> None:
    sent = returned(messages=messages, **({"system": system} if system else {}))
    assert sent["messages"] == messages
    assert sent.get("system", []) == system


FIELDS = st.sampled_from(["type", "role", "content", "text", "source", "input", "id", "name", "data"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["text", "image", "user", "tool_use", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["messages", "system", "tools", "tool_choice", "metadata", "output_config",
                                        "thinking", "stop_sequences", "stream", "max_tokens"]), JSON))  # fmt: skip
def test_whatever_is_sent_is_read_or_refused_with_its_field(body: dict[str, Any]) -> None:
    for read in (plugin.decode_request, plugin.count):
        problem = ""
        try:
            read(json.loads(json.dumps(asked(**body))))
        except InvalidInput as refused:
            problem = refused.message
        assert not problem or ": " in problem


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({}, 2),
        ({"system": "Be kind, please."}, 6),
        ({"messages": [{"role": "user", "content": [text("héllo"), IMAGE]}]}, 2 + 1600),
        ({"messages": [{"role": "user", "content": [PDF]}]}, 3000),
        ({"messages": [{"role": "user", "content": [PAGE]}]}, 2),
        ({"tools": [TOOL]}, -(-(5 + len(json.dumps([TOOL], separators=(",", ":")))) // 4)),
    ],
)
def test_tokens_are_counted_by_the_bytes_that_are_written(fields: dict[str, Any], tokens: int) -> None:
    body = asked(**fields)
    del body["max_tokens"]
    assert plugin.count(body) == tokens
