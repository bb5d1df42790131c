"""Errors that checks behind the edges raise, as each wire tells them: the field is one that the client has sent."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.kernel import HeadgateError, InvalidInput, NotFound, plugins
from headgate.models import Edge

NOT_ACCEPTED = "this app takes no images"
CASES = [
    (f"messages[2].content[1]: {NOT_ACCEPTED}", "not_accepted", "messages[2].content[1]", "input"),
    ("tools: this app takes no tools, tool calls or tool results", "not_accepted", "tools", "tools"),
    ("messages holds no message of the role user", "", "messages", "input"),
    ("messages[3] has no role that an app knows", "", "messages[3]", "input"),
    ("n must be a whole number from 1 to 16", "", "n", "n"),
    ("an app whose answers are verified gives one answer", "", None, None),
    ("`previous_response_id` cannot be honoured", "stateless", "previous_response_id", "previous_response_id"),
    ("input[1].content[0] is a part of type 'x'", "", "input[1].content[0]", "input[1].content[0]"),
]


def told(name: str, error: HeadgateError) -> dict[str, Any]:
    edge: Edge = plugins.load("edges", name)
    found: dict[str, Any] = edge.error_body(error)["error"]
    return found


@pytest.mark.parametrize(("message", "code", "chat", "responses"), CASES)
def test_the_field_is_named_as_the_client_knows_it(
    message: str, code: str, chat: str | None, responses: str | None
) -> None:
    error = InvalidInput(message, "a hint", code=code)
    assert told("openai-chat", error)["param"] == chat
    assert told("openai-chat", error)["message"] == f"{message} (a hint)"
    found = told("openai-responses", error)
    assert found["param"] == responses
    assert found["message"] == f"{message.replace(chat or '', responses or '')} (a hint)"


def test_anthropics_messages_are_not_counted_as_a_chat_counts_them() -> None:
    refused = InvalidInput(f"messages[2].content[1]: {NOT_ACCEPTED}", code="not_accepted")
    assert told("anthropic-messages", refused)["message"] == f"messages: {NOT_ACCEPTED}"
    own = InvalidInput("messages[2].content[1] is a block of type 'x'")
    assert told("anthropic-messages", own)["message"] == own.message


def test_only_what_is_wrong_with_a_body_has_a_field() -> None:
    assert told("openai-chat", NotFound("model: there is none"))["param"] is None
