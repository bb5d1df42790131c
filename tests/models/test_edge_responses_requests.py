"""What a client of the Responses API asks, in a chat's words; and what is refused by name."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.responding import EDGE, WEATHER, Server, answer, client

from headgate.kernel import InvalidInput
from headgate.models import Asked


def neutral(**body: Any) -> dict[str, Any]:
    return EDGE.decode_request({"model": "support", **body})


def refused(**body: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        neutral(**body)
    return caught.value


def test_text_and_instructions_become_messages() -> None:
    server = Server(answer())
    client(server).responses.create(model="support", input="Is it dry?", instructions="Be brief.")
    assert server.asked == {
        "model": "support",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it dry?"}],
    }


def test_parameters_have_a_chats_names() -> None:
    server = Server(answer())
    client(server).responses.create(
        model="support",
        input="Hi",
        max_output_tokens=64,
        temperature=0.5,
        top_p=0.9,
        top_logprobs=3,
        include=["message.output_text.logprobs"],
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": {"type": "json_object"}, "verbosity": "low"},
        metadata={"channel": "web"},
        safety_identifier="user_a",
        prompt_cache_key="key",
        service_tier="flex",
        truncation="auto",
        store=True,
        extra_body={"seed": 7, "house": {"rule": 1}},
    )
    asked = {key: value for key, value in server.asked.items() if key not in ("model", "messages")}
    assert asked == {
        "max_completion_tokens": 64,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_logprobs": 3,
        "logprobs": True,
        "reasoning_effort": "low",
        "response_format": {"type": "json_object"},
        "verbosity": "low",
        "metadata": {"channel": "web"},
        "user": "user_a",
        "prompt_cache_key": "key",
        "service_tier": "flex",
        "seed": 7,
        "house": {"rule": 1},
    }


def test_the_users_name_is_the_clients_own_before_a_safety_identifier() -> None:
    assert neutral(input="Hi", user="u", safety_identifier="s")["user"] == "u"


def test_a_schema_becomes_a_response_format() -> None:
    schema = {"type": "object", "properties": {}}
    wanted = {"type": "json_schema", "name": "page", "schema": schema, "strict": True}
    asked = neutral(input="Hi", text={"format": wanted})
    inner = {"name": "page", "schema": schema, "strict": True}
    assert asked["response_format"] == {"type": "json_schema", "json_schema": inner}
    assert "response_format" not in neutral(input="Hi", text={"format": {"type": "text"}})


def test_flat_tools_and_choices_become_nested() -> None:
    asked = neutral(
        input="Hi", tools=[WEATHER], tool_choice={"type": "function", "name": "weather"}, parallel_tool_calls=False
    )
    flat = {key: value for key, value in WEATHER.items() if key != "type"}
    assert asked["tools"] == [{"type": "function", "function": flat}]
    assert asked["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert asked["parallel_tool_calls"] is False
    some = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}
    assert neutral(input="Hi", tools=[WEATHER], tool_choice=some)["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "weather"}}]},
    }


def test_without_tools_nothing_is_said_of_how_to_use_them() -> None:
    """Servers refuse `tool_choice` and `parallel_tool_calls` where no tool is on offer; clients send them anyway."""
    asked = neutral(input="Hi", tools=[], tool_choice="auto", parallel_tool_calls=True)
    assert asked.keys() == {"model", "messages"}


def test_custom_tools_pass() -> None:
    tool = {"type": "custom", "name": "shell", "description": "Runs."}
    asked = neutral(input="Hi", tools=[tool], tool_choice={"type": "custom", "name": "shell"})
    assert asked["tools"] == [{"type": "custom", "custom": {"name": "shell", "description": "Runs."}}]
    assert asked["tool_choice"] == {"type": "custom", "custom": {"name": "shell"}}


def test_images_files_and_sounds_become_parts() -> None:
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
        {"type": "input_file", "file_id": "file_a"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]
    assert neutral(input=[{"role": "user", "content": content}])["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file_a"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]


def test_marks_on_parts_survive() -> None:
    mark = {"mode": "explicit"}
    part = {"type": "input_text", "text": "Long.", "prompt_cache_breakpoint": mark}
    [message] = neutral(input=[{"role": "developer", "content": [part]}])["messages"]
    marked = {"type": "text", "text": "Long.", "prompt_cache_breakpoint": mark}
    assert message == {"role": "developer", "content": [marked]}


def test_items_of_one_answer_are_one_message() -> None:
    history = [
        {"role": "user", "content": "Is it dry?"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "I should look."}]},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "weather", "arguments": "{}"},
        {"type": "function_call", "id": "fc_2", "call_id": "b", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "dry"},
        {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "wet"}]},
    ]  # fmt: skip
    calls = [
        {"id": known, "type": "function", "function": {"name": "weather", "arguments": "{}"}} for known in ("a", "b")
    ]
    assert neutral(input=history)["messages"] == [
        {"role": "user", "content": "Is it dry?"},
        {"role": "assistant", "content": "I look.", "reasoning_content": "I should look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "dry"},
        {"role": "tool", "tool_call_id": "b", "content": "wet"},
    ]


def test_text_after_a_call_stays_before_the_calls_result() -> None:
    """A result must follow the message that called; a message between them would be refused by every server."""
    history = [
        {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"},
        {"role": "assistant", "content": "One moment."},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "Or not."}]},
        {"type": "function_call_output", "call_id": "a", "output": "dry"},
    ]
    first, second = neutral(input=history)["messages"]
    assert first["content"] == "One moment.\n\nOr not."
    assert [call["id"] for call in first["tool_calls"]] == ["a"]
    assert second["role"] == "tool"


def test_messages_of_the_assistant_stay_apart() -> None:
    asked = neutral(input=[{"role": "assistant", "content": text} for text in ("One.", "Two.")])
    assert [message["content"] for message in asked["messages"]] == ["One.", "Two."]


def test_reasoning_of_which_only_an_id_is_left_leaves_no_message() -> None:
    asked = neutral(input=[{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "Hi"}])
    assert asked["messages"] == [{"role": "user", "content": "Hi"}]


def test_custom_calls_become_messages() -> None:
    history = [
        {"type": "custom_tool_call", "call_id": "a", "name": "shell", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "a.txt"},
    ]
    assert neutral(input=history)["messages"] == [
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "shell", "input": "ls"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "a.txt"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"previous_response_id": "resp_1"}, ("previous_response_id", "send the conversation")),
        ({"conversation": "conv_1"}, ("conversation", "send the conversation")),
        ({"background": True}, ("background", "wait")),
        ({"prompt": {"id": "pmpt_1"}}, ("prompt", "release")),
        ({"messages": []}, ("messages", "send `input`")),
        ({"n": 2}, ("one answer",)),
        ({"tools": [{"type": "web_search"}]}, ("tools[0]", "web_search", "runs no tools; offer functions")),
        ({"tools": [{"type": "function"}]}, ("tools[0].name",)),
        ({"tools": [], "tool_choice": "sometimes"}, ("tool_choice", "sometimes")),
        ({"tools": False}, ("tools must be a list",)),
        ({"include": {}}, ("include must be a list",)),
        ({"tool_choice": {"type": "file_search"}}, ("file_search", "runs no tools")),
        ({"input": None}, ("input must be text",)),
        ({"input": []}, ("input must be text",)),
        ({"input": ["Hi"]}, ("input[0] must be an object",)),
        ({"input": [{"type": "mesage"}]}, ("input[0]", "did you mean 'message'?")),
        ({"input": [{"type": "item_reference", "id": "x"}]}, ("input[0]", "keeps no state")),
        ({"input": [{"role": "boss", "content": "Hi"}]}, ("input[0].role", "'boss'")),
        ({"input": [{"role": "user", "content": 7}]}, ("input[0].content",)),
        ({"input": [{"role": "user", "content": [{"type": "input_txt"}]}]}, ("content[0]", "'input_text'")),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, ("image_url", "itself")),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "u"}]}]}, ("file_data", "fetches")),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, ("input[0].call_id",)),
        ({"input": [{"type": "reasoning", "encrypted_content": "?"}]}, ("encrypted_content", "was not made here")),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, ("text.format.schema",)),
        ({"text": {"format": {"type": "yaml"}}}, ("text.format.type", "yaml")),
        ({"text": "json"}, ("text must be an object",)),
        ({"reasoning": "high"}, ("reasoning must be an object",)),
        ({"max_output_tokens": "many"}, ("max_output_tokens",)),
        ({"top_logprobs": True}, ("top_logprobs",)),
        ({"include": "logprobs"}, ("include must be a list",)),
        ({"instructions": ["Be brief."]}, ("instructions must be text",)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_honoured_is_refused_by_name(body: dict[str, Any], words: tuple[str, ...]) -> None:
    problem = refused(**{"input": "Hi", **body})
    for word in words:
        assert word in str(problem)


def test_the_client_raises_what_it_raises_at_openai() -> None:
    with pytest.raises(openai.BadRequestError, match="runs no tools") as caught:
        client(Server(answer())).responses.create(model="support", input="Hi", tools=[{"type": "web_search"}])
    assert caught.value.code == "unsupported_tool"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "user", "message", "input_text", "aGk="]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "text", "output", "call_id", "summary", "name", "encrypted_content"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
KINDS = st.sampled_from(["message", "reasoning", "function_call", "function_call_output", "custom_tool_call"])


@settings(max_examples=400, deadline=None)
@given(
    body=st.dictionaries(
        st.sampled_from(
            ["input", "tools", "tool_choice", "text", "reasoning", "include", "top_logprobs", "instructions"]
        ),
        JSON,
        max_size=5,
    ),
    items=st.lists(st.tuples(KINDS, st.dictionaries(st.sampled_from(["role", "content", "summary", "call_id"]), JSON))),
)
def test_any_body_is_understood_or_refused(body: dict[str, Any], items: list[tuple[str, dict[str, Any]]]) -> None:
    made = {"input": [{"type": kind, **item} for kind, item in items]} if items else {}
    try:
        found = EDGE.decode_request({"model": "m", **body, **made})
    except InvalidInput:
        return
    assert isinstance(found["messages"], list)
    assert EDGE.completion(answer(), Asked("m", 1, "t", {"model": "m", **body, **made}))["status"] == "completed"
