"""Chunks and answers that are read in one step say what they say read as mappings: usual, made-up and odd ones."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.models import Call, Delta, End, ProviderError
from headgate.models.wires._openai_chunks import Plain, Said, answer_of, chunk_of
from headgate.models.wires.openai_chat import StreamDecoder, decode

CALL = Call("m", {"messages": [{"role": "user", "content": "hello"}]}, stream=True)
USUAL: dict[str, Any] = {
    "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": "gpt-4o-mini",
    "choices": [{"index": 0, "delta": {"content": "word "}, "logprobs": None, "finish_reason": None}],
}  # fmt: skip
ANY = st.sampled_from(
    (None, "", "a", "Größe 🙂", 0, 1, True, 0.5, [], ["x"], {}, {"k": "v"}, [{"index": 0, "id": "c"}])
)
TEXT = st.sampled_from((None, "", "word ", "日本語", "\ud83d\ude42", "\x00", 7))
COUNTS = st.sampled_from(({"prompt_tokens": 3, "completion_tokens": 2}, {"prompt_tokens": "3"}, {}))
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "content": TEXT, "reasoning_content": TEXT, "reasoning": TEXT, "refusal": TEXT, "function_call": ANY,
        "role": st.sampled_from(("assistant", None, "", 3)), "tool_calls": st.sampled_from((None, [], [{"index": 0}])),
        "audio": ANY,
    },
)  # fmt: skip
CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from((0, 0, 0, 1, None, 0.0, "0", 200)), "delta": st.one_of(DELTA, ANY),
        "logprobs": ANY, "finish_reason": st.sampled_from((None, None, "stop", "", 3)), "matched_stop": ANY,
    },
)  # fmt: skip
CHUNK = st.fixed_dictionaries(
    {},
    optional={
        "id": ANY, "object": ANY, "created": ANY, "model": st.sampled_from(("m", "n", "", None, 3)),
        "system_fingerprint": st.sampled_from(("fp", "", None, 3)), "service_tier": ANY, "obfuscation": ANY,
        "usage": st.sampled_from((None, {}, {"prompt_tokens": 3, "completion_tokens": 2})), "x_other": ANY,
        "choices": st.one_of(st.lists(CHOICE, max_size=2), ANY),
        "error": st.sampled_from((None, "", {"message": "no"})),
    },
)  # fmt: skip


def heard(texts: list[str], *, stepwise: bool) -> tuple[list[Delta | None], End | tuple[str, str, bool]]:
    decoder, deltas = StreamDecoder(CALL), []
    try:
        for text in texts:
            deltas.append(decoder.feed(msgspec.json.decode(text) if stepwise else chunk_of(text)))
        return deltas, decoder.end()
    except ProviderError as problem:
        return deltas, (problem.message, problem.code, problem.retryable)


WORDY = st.fixed_dictionaries(
    {"content": st.sampled_from(("a", "", None))},
    optional={"reasoning_content": st.sampled_from(("hm", "", None)), "role": st.sampled_from(("assistant", "user"))},
)


@given(st.lists(st.one_of(CHUNK, st.one_of(DELTA, WORDY).map(lambda delta: said(delta))), max_size=6))
@example([{**USUAL, "service_tier": None, "obfuscation": "x"}, USUAL])
def test_both_ways_of_reading_a_chunk_say_the_same(chunks: list[dict[str, Any]]) -> None:
    texts = [json.dumps(chunk, ensure_ascii=number % 2 == 0) for number, chunk in enumerate(chunks)]
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    texts.append(json.dumps(said({}, "stop")))
    assert heard(texts, stepwise=False) == heard(texts, stepwise=True)


def said(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return USUAL | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}


@pytest.mark.parametrize(
    "extra", [{}, {"usage": None}, {"system_fingerprint": "fp_1", "service_tier": "default", "obfuscation": "aQ2"}]
)
def test_the_usual_chunk_takes_the_one_step(extra: dict[str, Any]) -> None:
    for separators in ((",", ":"), (", ", ": ")):
        assert type(chunk_of(json.dumps(USUAL | extra, separators=separators))) is Said


@pytest.mark.parametrize(
    "odd",
    [
        '{"choices":[{"delta":{"content":"a"},"delta":{"content":"b"}}]}',
        '{"choices":[{"delta":{"content":"a","content":"b"}}]}',
        '{"choices":[{"delta":{"content":"\\ud83d"}}]}',
        '{"choices":[{"delta":{"content":"a"}}]} {',
        '{"choices":[{"delta":{"content":"a"}}]',
        '{"choices":[],"choices":[{"delta":{"content":"a"}}]}',
        '"content":',
        '["content",{"content":1}]',
    ],
)
def test_odd_json_is_read_alike(odd: str) -> None:
    found: list[Any] = []
    for stepwise in (False, True):
        try:
            found.append(heard([odd], stepwise=stepwise))
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            found.append(type(problem))
    assert found[0] == found[1]


MESSAGE = st.fixed_dictionaries(
    {"content": TEXT},
    optional={
        "role": ANY, "refusal": TEXT, "annotations": ANY, "tool_calls": st.sampled_from((None, [], [{"id": "c"}])),
        "reasoning_content": TEXT, "function_call": ANY, "audio": ANY,
    },
)  # fmt: skip
ENDING = st.fixed_dictionaries(
    {"message": MESSAGE, "finish_reason": st.sampled_from(("stop", "stop", "length", "", None, 3))},
    optional={"index": ANY, "logprobs": ANY, "content_filter_results": ANY},
)
ANSWER = st.fixed_dictionaries(
    {"choices": st.lists(ENDING, max_size=2), "usage": st.one_of(COUNTS, ANY)},
    optional={
        "id": ANY, "created": ANY, "model": st.sampled_from(("m", "", None, 3)), "service_tier": ANY,
        "system_fingerprint": st.sampled_from(("fp", "", None, 3)), "x_other": ANY,
        "error": st.sampled_from((None, "", {"message": "no"})),
    },
)  # fmt: skip
WHOLE: dict[str, Any] = {
    **USUAL, "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
}  # fmt: skip


@given(ANSWER)
@example(WHOLE)
@example(WHOLE | {"service_tier": None, "system_fingerprint": "fp"})
def test_both_ways_of_reading_an_answer_say_the_same(answer: dict[str, Any]) -> None:
    content = json.dumps(answer).encode()
    assert decoded(answer_of(content)) == decoded(msgspec.json.decode(content))


def decoded(data: Any) -> tuple[str, End] | tuple[str, str, bool]:
    try:
        return decode(data, CALL)
    except ProviderError as problem:
        return problem.message, problem.code, problem.retryable


def test_the_usual_answer_takes_the_one_step() -> None:
    lists: dict[str, Any] = {
        "refusal": None,
        "annotations": [],
        "tool_calls": [],
        "role": "assistant",
        "content": "No.",
    }
    said = {"index": 0, "message": lists, "logprobs": None, "finish_reason": "length"}
    for answer in (WHOLE, WHOLE | {"choices": [said], "service_tier": "default", "system_fingerprint": "fp_1"}):
        assert type(answer_of(json.dumps(answer).encode())) is Plain
