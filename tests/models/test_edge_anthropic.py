"""Answers on Anthropic's wire, read back by the official client: whole, streamed, and failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel import (
    Answer,
    Conflict,
    Corrupt,
    Denied,
    Exhausted,
    HeadgateError,
    InvalidInput,
    NotFound,
    Passage,
    Unavailable,
    Usage,
)
from headgate.models.edge import Asked, StreamEncoder
from headgate.models.edges.anthropic_messages import plugin

ASKED = Asked("support", 1_700_000_000, "0af7651916cd43dd", {"model": "support", "max_tokens": 9, "messages": []})
THINKS = replace(ASKED, body={**ASKED.body, "thinking": {"type": "enabled", "budget_tokens": 1024}})
CALL = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
OTHER = {"id": "toolu_2", "type": "function", "function": {"name": "time", "arguments": ""}}
SIGNED = {"type": "thinking", "thinking": "Paris, then.", "signature": "c2ln"}
HIDDEN = {"type": "redacted_thinking", "data": "aGlkZGVu"}
CITATION = {"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": None,
            "start_char_index": 0, "end_char_index": 1, "file_id": None}  # fmt: skip


def answer(text: str = "Hello", **fields: Any) -> Answer:
    given_ = {"status": "answered", "release": "sha256:ab", "trace_id": ASKED.trace_id, "usage": Usage(10, 5), **fields}
    return Answer(text, **given_)


def streamed(encoder: StreamEncoder, reasoning: str, text: str, ended: Answer) -> bytes:
    pieces = [encoder.start()]
    pieces += [encoder.reasoning(piece) for piece in _cut(reasoning)]
    pieces += [encoder.text(piece) for piece in _cut(text)]
    return b"".join([*pieces, encoder.end(ended)])


def _cut(text: str) -> Iterator[str]:
    yield from (text[at : at + 3] for at in range(0, len(text), 3))


def client(content: bytes, status: int = 200, kind: str = "text/event-stream") -> anthropic.Anthropic:
    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=content, headers={"content-type": kind})

    inner = httpx2.Client(transport=httpx2.MockTransport(respond))
    return anthropic.Anthropic(api_key="x", base_url="http://stand-in", max_retries=0, http_client=inner)


def heard(content: bytes) -> Message:
    """Return what the official client makes of a stream."""
    with client(content) as there, there.messages.stream(model="support", max_tokens=9, messages=[]) as stream:
        return stream.get_final_message()


def blocks(message: Message) -> list[dict[str, Any]]:
    return [block.model_dump(exclude_none=True) for block in message.content]


ANSWERS = {
    "text": answer(),
    "nothing": answer(""),
    "calls": answer("Let me see.", finish_reason="tool_calls", extra={"message": {"tool_calls": [CALL, OTHER]}}),
    "only calls": answer("", finish_reason="tool_calls", extra={"message": {"tool_calls": [CALL]}}),
    "signed": answer(extra={"message": {"thinking_blocks": [SIGNED], "reasoning_content": "Paris, then.",
                                        "tool_calls": [CALL]}}),
    "hidden": answer(extra={"message": {"thinking_blocks": [HIDDEN]}}),
    "reasoned": answer(extra={"message": {"reasoning_content": "Paris, then."}}),
    "cited": answer(extra={"message": {"citations": [CITATION]}}),
    "cut": answer(finish_reason="length"),
    "blocked": answer("That is not allowed.", status="blocked"),
    "counted": answer(usage=Usage(100, 50), extra={"usage": {
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 20}, "service_tier": "standard"}}),
}  # fmt: skip
LATE = {"hidden": ["text", "redacted_thinking"], "signed": ["thinking", "text", "thinking", "tool_use"]}
EXPECTED: dict[str, tuple[list[str], str]] = {
    "text": (["text"], "end_turn"),
    "nothing": ([], "end_turn"),
    "calls": (["text", "tool_use", "tool_use"], "tool_use"),
    "only calls": (["tool_use"], "tool_use"),
    "signed": (["thinking", "text", "tool_use"], "tool_use"),
    "hidden": (["redacted_thinking", "text"], "end_turn"),
    "reasoned": (["thinking", "text"], "end_turn"),
    "cited": (["text"], "end_turn"),
    "cut": (["text"], "max_tokens"),
    "blocked": (["text"], "refusal"),
    "counted": (["text"], "end_turn"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_whole_answer_is_a_message_of_the_official_client(name: str) -> None:
    message = Message.model_validate(plugin.completion(ANSWERS[name], ASKED))
    kinds, reason = EXPECTED[name]
    assert [block.type for block in message.content] == kinds
    assert (message.stop_reason, message.model, message.role) == (reason, "support", "assistant")
    assert message.id == f"msg_{ASKED.trace_id}"


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("live", [True, False], ids=["in pieces", "at the end"])
@pytest.mark.parametrize("asked", [ASKED, THINKS], ids=["plain", "thinking"])
def test_a_streamed_answer_is_the_same_message(name: str, live: bool, asked: Asked) -> None:
    ended = ANSWERS[name]
    whole = Message.model_validate(plugin.completion(ended, ASKED))
    reasoning = (ended.extra.get("message") or {}).get("reasoning_content", "")
    stream = streamed(plugin.encoder(asked), reasoning if live else "", ended.text if live else "", ended)
    message = heard(stream)
    if live and (name == "hidden" or (name == "signed" and asked is ASKED)):
        # What is known only at the end follows; sent back, it stands in front again.
        assert [block.type for block in message.content] == LATE[name]
        return
    assert blocks(message) == blocks(whole)
    assert (message.stop_reason, message.id, message.model) == (whole.stop_reason, whole.id, whole.model)
    for count in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
        assert getattr(message.usage, count) == getattr(whole.usage, count)


def test_input_tokens_leave_out_what_a_cache_read_or_wrote() -> None:
    usage = plugin.completion(ANSWERS["counted"], ASKED)["usage"]
    assert usage == {
        "input_tokens": 10,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 20},
        "service_tier": "standard",
    }


def test_arguments_are_decoded_and_broken_ones_are_handed_on() -> None:
    broken = {"id": "t", "function": {"name": "f", "arguments": "{oops"}}
    unnamed = {"function": {"name": "f", "arguments": '{"a": 1}'}}
    found = plugin.completion(answer(extra={"message": {"tool_calls": [broken, unnamed]}}), ASKED)["content"][1:]
    assert [block["input"] for block in found] == [{"arguments": "{oops"}, {"a": 1}]
    assert found[1]["id"] == f"toolu_{ASKED.trace_id}_1"


@pytest.mark.parametrize(
    ("finish", "choice", "message", "reason"),
    [
        ("stop", {"native_finish_reason": "stop_sequence", "stop_sequence": "END"}, {}, "stop_sequence"),
        ("stop", {"stop_sequence": "END"}, {}, "stop_sequence"),
        ("stop", {"native_finish_reason": "stop_sequence"}, {}, "end_turn"),
        ("stop", {"native_finish_reason": "pause_turn"}, {}, "pause_turn"),
        ("length", {"native_finish_reason": "model_context_window_exceeded"}, {}, "model_context_window_exceeded"),
        ("length", {"native_finish_reason": "MAX_TOKENS"}, {}, "max_tokens"),
        ("length", {"native_finish_reason": "end_turn"}, {}, "max_tokens"),
        ("content_filter", {}, {}, "refusal"),
        ("stop", {}, {"refusal": "No."}, "refusal"),
        ("stop", {}, {"tool_calls": [CALL]}, "tool_use"),
        ("length", {}, {"tool_calls": [CALL]}, "max_tokens"),
        ("anything", {}, {}, "end_turn"),
        ("", {}, {}, "end_turn"),
    ],
)
def test_why_an_answer_ended(finish: str, choice: dict[str, Any], message: dict[str, Any], reason: str) -> None:
    found = plugin.completion(answer(finish_reason=finish, extra={"choice": choice, "message": message}), ASKED)
    assert found["stop_reason"] == reason
    assert found["stop_sequence"] == ("END" if reason == "stop_sequence" else None)


def test_what_we_know_and_what_the_provider_added_stand_beside_the_answer() -> None:
    passages = (Passage("corpus/returns", "30 days", "Returns"),)
    ended = answer(
        route="default", passages=passages, citations=("corpus/returns",), extra={"system_fingerprint": "fp"}
    )
    body = plugin.completion(ended, ASKED)
    assert body["headgate"] == {
        "release": "sha256:ab", "trace": ASKED.trace_id, "status": "answered", "route": "default",
        "sources": [{"n": 1, "source": "corpus/returns", "heading": "Returns"}],
    }  # fmt: skip
    assert body["system_fingerprint"] == "fp"
    last = plugin.encoder(ASKED).end(ended).split(b"event: message_delta\ndata: ")[1].partition(b"\n")[0]
    assert json.loads(last)["headgate"] == body["headgate"]


def test_a_refusal_that_came_in_the_place_of_text_is_text() -> None:
    body = plugin.completion(answer("", extra={"message": {"refusal": "I will not."}}), ASKED)
    assert [block["text"] for block in body["content"]] == ["I will not."]


def test_several_signed_thoughts_follow_whole_since_the_stream_joined_them() -> None:
    two = [{**SIGNED, "thinking": "One. "}, {**SIGNED, "thinking": "Two."}]
    ended = answer(extra={"message": {"thinking_blocks": two, "reasoning_content": "One. Two."}})
    message = heard(streamed(plugin.encoder(THINKS), "One. Two.", "Hello", ended))
    thoughts = [(block.thinking, block.signature) for block in message.content if block.type == "thinking"]
    assert thoughts == [("One. Two.", ""), ("One. ", "c2ln"), ("Two.", "c2ln")]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (THINKS, [("text", "Hello"), ("thinking", "hm!")]),
        (ASKED, [("text", "He"), ("thinking", "hm"), ("text", "llo"), ("thinking", "!")]),
    ],
    ids=["thinking", "plain"],
)
def test_blocks_follow_each_other_unless_a_signature_may_come(asked: Asked, expected: list[tuple[str, str]]) -> None:
    encoder = plugin.encoder(asked)
    stream = (
        encoder.start() + encoder.text("He") + encoder.reasoning("hm") + encoder.text("llo") + encoder.reasoning("!")
    )
    content = stream + encoder.end(answer(extra={"message": {"reasoning_content": "hm!"}}))
    assert [(block.type, getattr(block, block.type, "")) for block in heard(content).content] == expected
    opened = [json.loads(line[6:]) for line in content.decode().split("\n") if line.startswith("data: ")]
    depth = [("content_block_start", "content_block_stop").index(event["type"]) for event in opened
             if event["type"] in ("content_block_start", "content_block_stop")]  # fmt: skip
    assert depth == ([0, 0, 1, 1] if asked is THINKS else [0, 1] * 4)


def test_an_empty_piece_is_nothing_to_say() -> None:
    encoder = plugin.encoder(ASKED)
    assert (encoder.text(""), encoder.reasoning("")) == (b"", b"")


def limited(code: str) -> HeadgateError:
    return Exhausted("it is used up", "wait", code=code)


def status(error: HeadgateError, number: int) -> HeadgateError:
    error.status = number
    return error


ERRORS: list[tuple[HeadgateError, str, type[anthropic.APIStatusError]]] = [
    (InvalidInput("max_tokens: Field required"), "invalid_request_error", anthropic.BadRequestError),
    (status(Denied("no key"), 401), "authentication_error", anthropic.AuthenticationError),
    (Denied("not yours"), "permission_error", anthropic.PermissionDeniedError),
    (NotFound("no such app"), "not_found_error", anthropic.NotFoundError),
    (Conflict("first"), "conflict_error", anthropic.ConflictError),
    (status(InvalidInput("too large"), 413), "request_too_large", anthropic.APIStatusError),
    (limited("rate_limited"), "rate_limit_error", anthropic.RateLimitError),
    (limited("budget_exhausted"), "billing_error", anthropic.RateLimitError),
    (Unavailable("crowded", code="queue_full"), "overloaded_error", anthropic.InternalServerError),
    (status(Unavailable("late", code="provider_timeout"), 504), "timeout_error", anthropic.InternalServerError),
    (status(Unavailable("no", code="provider_rejected"), 400), "invalid_request_error", anthropic.BadRequestError),
    (status(Unavailable("slow", code="provider_rate_limit"), 429), "rate_limit_error", anthropic.RateLimitError),
    (Unavailable("broken", code="provider_server"), "api_error", anthropic.InternalServerError),
    (Corrupt("rot"), "api_error", anthropic.InternalServerError),
]


@pytest.mark.parametrize(("error", "kind", "raised"), ERRORS, ids=[f"{error.code}-{kind}" for error, kind, _ in ERRORS])
def test_an_error_is_the_exception_that_the_official_client_has_for_it(
    error: HeadgateError, kind: str, raised: type[anthropic.APIStatusError]
) -> None:
    content = json.dumps(plugin.error_body(error)).encode()
    with client(content, error.status, "application/json") as there, pytest.raises(raised) as caught:
        there.messages.create(model="support", max_tokens=9, messages=[])
    assert (caught.value.type, caught.value.error_code) == (kind, error.code)
    assert error.message in str(caught.value.api_message)
    assert error.hint in str(caught.value.api_message)


def test_the_official_client_asks_again_when_there_was_no_place() -> None:
    crowded = plugin.error_body(Unavailable("too many requests wait", "try again", code="queue_full"))
    answers = [(503, crowded), (200, plugin.completion(answer(), ASKED))]

    def respond(request: httpx2.Request) -> httpx2.Response:
        status, body = answers.pop(0)
        return httpx2.Response(status, json=body, headers={"retry-after-ms": "1"})

    inner = httpx2.Client(transport=httpx2.MockTransport(respond))
    with anthropic.Anthropic(api_key="x", base_url="http://stand-in", max_retries=1, http_client=inner) as there:
        message = there.messages.create(model="support", max_tokens=9, messages=[])
    assert (blocks(message), answers) == ([{"type": "text", "text": "Hello"}], [])


def test_an_error_is_the_proper_end_of_a_stream() -> None:
    encoder = plugin.encoder(ASKED)
    content = encoder.start() + encoder.text("Hel") + encoder.error(Unavailable("cut", code="queue_timeout"))
    with pytest.raises(anthropic.APIStatusError) as caught:
        heard(content)
    assert (caught.value.type, caught.value.error_code) == ("overloaded_error", "queue_timeout")
    assert json.loads(content.split(b"data: ")[-1])["request_id"] == ASKED.trace_id
    assert (encoder.end(answer()), encoder.error(Corrupt("again")), encoder.text("more")) == (b"", b"", b"")


PIECES = st.lists(st.tuples(st.sampled_from(["text", "reasoning"]), st.text(max_size=6)), max_size=8)


@settings(max_examples=100, deadline=None)
@given(PIECES, st.lists(st.sampled_from([CALL, OTHER]), max_size=2), st.sampled_from(["", "c2ln"]))
def test_every_stream_is_heard_as_it_was_said(
    pieces: list[tuple[str, str]], calls: list[dict[str, Any]], signature: str
) -> None:
    said = {kind: "".join(piece for of, piece in pieces if of == kind) for kind in ("text", "reasoning")}
    thoughts = (
        [{"type": "thinking", "thinking": said["reasoning"], "signature": signature}] if said["reasoning"] else []
    )
    encoder = plugin.encoder(THINKS)
    stream = encoder.start() + b"".join(getattr(encoder, kind)(piece) for kind, piece in pieces)
    ended = answer(said["text"], extra={"message": {"thinking_blocks": thoughts, "tool_calls": calls}})
    message = heard(stream + encoder.end(ended))
    found = {block.type: block for block in message.content}
    assert getattr(found.get("text"), "text", "") == said["text"]
    assert getattr(found.get("thinking"), "thinking", "") == said["reasoning"]
    assert getattr(found.get("thinking"), "signature", signature) == signature
    assert [block.id for block in message.content if block.type == "tool_use"] == [call["id"] for call in calls]
