"""The neutral request: a read-only view over a dict that keeps what it does not know."""

from __future__ import annotations

from typing import Any

from headgate.kernel import Request, Usage, text_of


def test_text_is_found_in_both_shapes_of_content() -> None:
    assert text_of("plain") == "plain"
    parts: list[Any] = [{"type": "text", "text": "a"}, {"type": "image_url"}, "x", {"type": "text", "text": "b"}]
    assert text_of(parts) == "a\nb"
    odds: list[Any] = [None, 5, {}, [None]]
    for odd in odds:
        assert text_of(odd) == ""


def test_the_question_is_the_last_user_message() -> None:
    messages = [
        {"role": "user", "content": "first"}, {"role": "user", "content": [{"type": "text", "text": "last"}]},
        {"role": "assistant", "content": "an answer"},
    ]  # fmt: skip
    assert Request("t", {"messages": messages}).question == "last"
    bodies: list[dict[str, Any]] = [{}, {"messages": []}, {"messages": "no list"}, {"messages": [{"role": "system"}]}]
    for body in bodies:
        assert Request("t", body).question == ""


def test_edited_requests_keep_unknown_fields_and_the_original_stays() -> None:
    request = Request("t", {"messages": [], "logit_bias": {"1": 2}, "stream": True})
    edited = request.with_messages([{"role": "user", "content": "hi"}])
    assert edited.body["logit_bias"] == {"1": 2}
    assert (edited.question, edited.stream, edited.id) == ("hi", True, "t")
    assert request.messages == []
    assert not Request("t", {"stream": "true"}).stream


def test_usage_adds_up_and_stays_estimated() -> None:
    assert Usage(1, 2) + Usage(3, 4, estimated=True) == Usage(4, 6, estimated=True)
    assert not (Usage(1, 2) + Usage(1, 1)).estimated
