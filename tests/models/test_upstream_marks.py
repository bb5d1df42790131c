"""What only Anthropic's wire knows never reaches a server that refuses unknown fields; what is asked and said does."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.models import Call, Providers
from headgate.models.edges.anthropic_messages import plugin
from headgate.models.upstream.marks import effort_of, without_marks
from headgate.models.upstream.quirks import TABLE
from headgate.models.wires import bedrock_converse, gemini_contents

MARK = {"type": "ephemeral"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
URL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
ASKED: dict[str, Any] = {
    "model": "support",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be kind.", "cache_control": MARK}],
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "top_k": 4,
    "service_tier": "standard_only",
    "tools": [{"name": "look", "input_schema": {"type": "object"}, "cache_control": MARK, "input_examples": [{}]}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Look.", "cache_control": MARK}, IMAGE]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {}, "cache_control": MARK},
                {"type": "tool_use", "id": "t2", "name": "look", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a cat"}, IMAGE]},
                {"type": "tool_result", "tool_use_id": "t2", "content": [IMAGE], "is_error": True},
            ],
        },
    ],
}


def call(known: str) -> dict[str, Any]:
    return {"id": known, "type": "function", "function": {"name": "look", "arguments": "{}"}}


def test_only_marks_are_left_out_and_media_follows_the_results_of_tools() -> None:
    body = plugin.decode_request(ASKED)
    before = repr(body)
    assert without_marks(body) == {
        "model": "support",
        "max_tokens": 100,
        "service_tier": "default",
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": [{"type": "text", "text": "Look."}, URL]},
            {"role": "assistant", "content": None, "tool_calls": [call("t1"), call("t2")]},
            {"role": "tool", "tool_call_id": "t1", "content": [{"type": "text", "text": "a cat"}]},
            {"role": "tool", "tool_call_id": "t2", "content": "see the attachment"},
            {"role": "user", "content": [URL, URL]},
        ],
    }
    assert repr(body) == before


def test_what_is_said_after_results_with_media_follows_the_media() -> None:
    messages = [
        {"role": "tool", "tool_call_id": "t1", "content": [URL]},
        {"role": "user", "content": "And now?"},
        {"role": "tool", "tool_call_id": "t2", "content": "none"},
    ]
    found = without_marks({"messages": messages})["messages"]
    assert [message["role"] for message in found] == ["tool", "user", "user", "tool"]
    assert (found[1]["content"], found[2]["content"]) == ([URL], "And now?")


def test_a_body_without_marks_stays_as_it_is() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}, "odd"], "tools": ["odd"], "seed": 7}
    assert without_marks(body) == body


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_servers_that_refuse_what_they_do_not_know_are_sent_no_marks(row: Any) -> None:
    entry = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "key": "k", "quirks": row.name}
    provider: Any = Providers({"p": entry}).get("p")
    _, body = provider._prepare(Call("m", plugin.decode_request(ASKED)))
    marked = [name for name in ("thinking", "cache_control", "c2ln", "input_examples", "is_error") if name in str(body)]
    assert marked == ([] if row.strict else ["thinking", "cache_control", "c2ln", "input_examples", "is_error"])


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, "low"),
        ({"type": "enabled", "budget_tokens": 10_000}, "medium"),
        ({"type": "enabled", "budget_tokens": 32_000}, "high"),
        ({"type": "adaptive"}, None),
        ({"type": "disabled"}, None),
        ({"budget_tokens": True}, None),
        ("enabled", None),
        (None, None),
    ],
)
def test_a_budget_of_thoughts_comes_to_an_effort(thinking: Any, effort: str | None) -> None:
    assert effort_of(thinking) == effort


def test_gemini_is_sent_a_level_of_thought_and_no_marks() -> None:
    body = plugin.decode_request({**ASKED, "cache_control": MARK, "output_config": {"task_budget": 1}})
    sent = gemini_contents.encode_request(Call("gemini-3-pro", body))
    assert sent["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "low"}
    assert sent.keys() == {"contents", "systemInstruction", "generationConfig", "tools"}


def test_bedrock_is_sent_what_its_models_know() -> None:
    body = plugin.decode_request({**ASKED, "cache_control": MARK, "output_config": {"task_budget": 1}})
    sent = bedrock_converse.encode_request(Call("anthropic.claude-x", body))
    assert sent["additionalModelRequestFields"] == {"thinking": ASKED["thinking"], "top_k": 4}


def test_where_a_call_is_computed_is_never_left_out() -> None:
    assert without_marks({"inference_geo": "eu"}) == {"inference_geo": "eu"}
