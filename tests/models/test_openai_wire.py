"""OpenAI's chat completions as a codec: recorded answers in, and our own read by the official client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import Answer, Denied, Exhausted, InvalidInput, Passage, Unavailable, Usage
from headgate.models import Asked, Call, Delta, ProviderError
from headgate.models.call import joined
from headgate.models.edges.openai_chat import Encoder, completion, error_body
from headgate.models.sse import EventParser
from headgate.models.wires.openai_chat import StreamDecoder, decode, encode_request, error_of

FIXTURES = Path(__file__).parents[2] / "../shared/data/fixtures/openai"
CALL = Call("m", {"messages": [{"role": "user", "content": "hello"}]})
ANSWER = Answer(
    "Within 30 days. [1]",
    "answered",
    "sha256:" + "a" * 64,
    "f" * 32,
    route="default",
    usage=Usage(10, 5),
    citations=("corpus/returns",),
    passages=(Passage("corpus/returns", "text", "Returns"), Passage("corpus/other", "text")),
)


def recorded() -> list[Path]:
    return sorted((FIXTURES / "sse").glob("*.txt"))


@pytest.mark.data
@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded answers of shared/data are absent")
def test_recorded_streams_decode_the_same_however_they_are_cut() -> None:
    assert len(recorded()) == 12
    tools = 0
    for file in recorded():
        raw = file.read_bytes()
        ends = []
        for size in (len(raw), 1, 61):
            parser, decoder, text = EventParser(), StreamDecoder(CALL), ""
            for at in range(0, len(raw), size):
                for data in parser.feed(raw[at : at + size]):
                    if data != "[DONE]" and (delta := decoder.feed(json.loads(data))):
                        text += delta.text
            ends.append((text, decoder.end()))
        assert ends[0] == ends[1] == ends[2]
        text, end = ends[0]
        calls = end.extra.get("message", {}).get("tool_calls", [])
        for made in calls:
            json.loads(made["function"]["arguments"])
        tools += bool(calls)
        assert text or calls
        assert end.fingerprint.startswith("fp_")
    assert tools == 4


@pytest.mark.data
@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded answers of shared/data are absent")
def test_recorded_answers_keep_every_field() -> None:
    lines = (FIXTURES / "recorded_responses.jsonl").read_text(encoding="utf-8").splitlines()
    seen = 0
    for line in lines:
        body = json.loads(line)["body"]
        if not isinstance(body, dict) or body.get("object") != "chat.completion":
            continue
        seen += 1
        text, end = decode(body, CALL)
        message = body["choices"][0]["message"]
        assert text == (message.get("content") or message.get("refusal") or "")
        assert end.usage == Usage(body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"])
        assert end.extra["usage"] == body["usage"]
        assert end.extra.get("message", {}).get("tool_calls") == (message.get("tool_calls") or None)
        assert end.extra.get("choices", []) == body["choices"][1:]
    assert seen >= 10


def test_unknown_fields_survive_both_ways() -> None:
    body = {"messages": [], "reasoning_effort": "low", "made_up": {"a": 1}, "max_sentences": 3}
    sent = encode_request(Call("m", body, stream=True), defaults={"seed": 1, "reasoning_effort": "high"})
    assert (sent["made_up"], sent["seed"], sent["reasoning_effort"]) == ({"a": 1}, 1, "low")
    assert "max_sentences" not in sent
    assert sent["stream_options"] == {"include_usage": True}
    message = {"role": "assistant", "content": "hi", "reasoning": "because"}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": {"content": []}}
    _, end = decode({"choices": [choice], "service_tier": "flex"}, CALL)
    assert end.extra["service_tier"] == "flex"
    assert end.extra["message"] == {"reasoning_content": "because"}
    assert end.usage.estimated


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": {"content": "x"}}]}, "text", 7,
     {"choices": [{"message": {"content": 3}, "finish_reason": "stop"}]}],
)  # fmt: skip
def test_what_is_no_answer_is_a_retryable_error(data: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        decode(data, CALL)
    assert caught.value.retryable


def test_an_error_in_the_middle_of_a_stream_is_raised() -> None:
    decoder = StreamDecoder(CALL)
    with pytest.raises(ProviderError, match="overloaded"):
        decoder.feed({"error": {"message": "overloaded", "type": "server_error"}})


@pytest.mark.parametrize(
    ("status", "error", "code", "retryable"),
    [
        (429, {"message": "slow"}, "provider_rate_limit", True),
        (429, {"code": "insufficient_quota"}, "provider_rate_limit", False),
        (500, {}, "provider_server", True),
        (503, {}, "provider_server", True),
        (408, {}, "provider_timeout", True),
        (400, {"message": "bad"}, "provider_rejected", False),
        (401, {}, "provider_auth", False),
        (403, {}, "provider_auth", False),
        (404, {}, "provider_rejected", False),
        (400, {"code": "content_filter"}, "content_filter", False),
    ],
)
def test_errors_say_whether_trying_again_makes_sense(status: int, error: Any, code: str, retryable: bool) -> None:
    found = error_of({"error": error}, status, {"retry-after": "7"})
    assert (found.code, found.retryable, found.retry_after, found.upstream_status) == (code, retryable, 7.0, status)
    assert found.status == 503


@pytest.mark.parametrize("header", ["soon", "-1", "nan", "inf", "Wed, 99 Oct 2026 07:28:00 GMT"])
def test_a_retry_after_that_is_no_time_is_left_out(header: str) -> None:
    assert error_of(None, 429, {"retry-after": header}).retry_after is None


def asked(**body: Any) -> Asked:
    return Asked("support", 1, ANSWER.trace_id, {"model": "support", **body})


def chunks(raw: bytes) -> list[Any]:
    """Return the decoded chunks of a stream, which must end with `[DONE]`."""
    found = EventParser().feed(raw)
    assert found.pop() == "[DONE]"
    return [json.loads(data) for data in found]


def test_the_official_client_reads_our_answers() -> None:
    openai = pytest.importorskip("openai.types.chat")
    whole = openai.ChatCompletion.model_validate(completion(ANSWER, asked()), strict=True)
    assert whole.choices[0].message.content == "Within 30 days. [1]"
    assert whole.usage.total_tokens == 15
    assert whole.headgate["sources"] == [{"n": 1, "source": "corpus/returns", "heading": "Returns"}]
    encoder = Encoder(asked(stream_options={"include_usage": True}))
    raw = encoder.start() + encoder.reasoning("Hm.") + encoder.text('Within "30"') + encoder.end(ANSWER)
    read = [openai.ChatCompletionChunk.model_validate(piece, strict=True) for piece in chunks(raw)]
    assert [piece.choices[0].delta.content for piece in read[:3]] == ["", None, 'Within "30"']
    assert read[1].choices[0].delta.reasoning_content == "Hm."
    assert read[3].choices[0].finish_reason == "stop"
    assert not read[4].choices
    assert read[4].usage is not None
    assert read[4].usage.total_tokens == 15


CALLED = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q": 1}'}}
RICH = Answer(
    "",
    "answered",
    "sha256:" + "a" * 64,
    "f" * 32,
    finish_reason="tool_calls",
    usage=Usage(10, 5),
    extra={
        "message": {"tool_calls": [{"index": 0, **CALLED}], "reasoning_content": "Hm."},
        "choice": {"logprobs": {"content": []}},
        "choices": [{"index": 1, "message": {"role": "assistant", "content": "Other"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4}},
        "service_tier": "default",
    },
)


def test_tool_calls_further_choices_and_unknown_fields_reach_the_client_whole() -> None:
    body = completion(RICH, asked())
    assert body["choices"][0]["message"]["tool_calls"] == [CALLED]
    assert body["choices"][0]["message"]["content"] is None
    assert body["choices"][0]["logprobs"] == {"content": []}
    assert body["choices"][1]["message"]["content"] == "Other"
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}
    assert body["service_tier"] == "default"


@pytest.mark.parametrize("streamed_reasoning", [True, False])
def test_a_stream_says_at_its_end_what_was_not_said_before(streamed_reasoning: bool) -> None:
    encoder = Encoder(asked())
    raw = encoder.start() + (encoder.reasoning("Hm.") if streamed_reasoning else b"") + encoder.end(RICH)
    found = chunks(raw)
    choices = [choice for piece in found for choice in piece["choices"]]
    assert "".join(choice["delta"].get("reasoning_content", "") for choice in choices) == "Hm."
    ended = {choice["index"]: choice for choice in choices if choice["finish_reason"]}
    assert ended[0]["delta"]["tool_calls"] == [{"index": 0, **CALLED}]
    assert ended[0]["finish_reason"] == "tool_calls"
    assert ended[1]["delta"]["content"] == "Other"
    assert found[-1]["service_tier"] == "default"


def test_a_blocked_answer_ends_with_the_wires_own_reason() -> None:
    blocked = Answer("No.", "blocked", "sha256:" + "a" * 64, "t")
    assert completion(blocked, asked())["choices"][0]["finish_reason"] == "content_filter"
    assert chunks(Encoder(asked()).end(blocked))[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_streamed_choices_and_reasoning_are_put_together() -> None:
    decoder = StreamDecoder(CALL)
    pieces: list[Any] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "reasoning": "H"}}]},
        {"choices": [{"index": 0, "delta": {"reasoning_content": "m"}}, {"index": 1, "delta": {"content": "B"}}]},
        {"choices": [{"index": 0, "delta": {"content": "A"}, "logprobs": {"content": [{"token": "A"}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, **CALLED}]}}]},
        {"choices": [{"index": 1, "delta": {"content": "C"}, "finish_reason": "stop"}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    deltas = [decoder.feed(piece) for piece in pieces]
    assert [delta and (delta.text, delta.reasoning) for delta in deltas] == [
        ("", "H"), ("", "m"), ("A", ""), ("", ""), ("", ""), None,
    ]  # fmt: skip
    end = decoder.end()
    assert end.extra["message"]["reasoning_content"] == "Hm"
    assert end.extra["message"]["tool_calls"][0]["function"] == CALLED["function"]
    assert end.extra["choice"]["logprobs"] == {"content": [{"token": "A"}]}
    assert [choice["message"]["content"] for choice in end.extra["choices"]] == ["BC"]


def _with_status(error: InvalidInput, status: int) -> InvalidInput:
    error.status = status
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidInput("no", "do this"), "invalid_request_error"),
        (Denied("no"), "permission_error"),
        (Exhausted("no"), "insufficient_quota"),
        (Exhausted("no", code="rate_limited"), "rate_limit_error"),
        (Unavailable("no"), "server_error"),
        (_with_status(InvalidInput("no"), 413), "invalid_request_error"),
    ],
)
def test_errors_have_the_wires_envelope(error: Any, kind: str) -> None:
    body = error_body(error)["error"]
    assert body["type"] == kind
    assert body["code"] == error.code
    assert body["message"].startswith("no")


def test_further_choices_that_are_none_are_left_out_and_the_others_numbered() -> None:
    first = {"index": 0, "message": {"content": "A"}, "finish_reason": "stop"}
    others: list[Any] = [7, {"message": "B"}, {"index": "x", "message": {"content": "C"}, "finish_reason": "stop"}]
    _, end = decode({"choices": [first, *others]}, CALL)
    assert [(other["index"], other["message"]["content"]) for other in end.extra["choices"]] == [(3, "C")]


def test_a_streamed_refusal_is_told_apart_from_text() -> None:
    parser = StreamDecoder(CALL)
    pieces = [{"role": "assistant", "content": "Well. "}, {"refusal": "I will "}, {"refusal": "not."}, {"content": "x"}]
    found = [parser.feed({"choices": [{"index": 0, "delta": delta}]}) for delta in pieces]
    assert [(one.text, one.refusal) for one in found if one] == [
        ("Well. ", False), ("I will ", True), ("not.", True), ("x", False),
    ]  # fmt: skip
    merged = joined([one for one in found if one])
    assert merged == [Delta("Well. "), Delta("I will not.", "", True), Delta("x")]
