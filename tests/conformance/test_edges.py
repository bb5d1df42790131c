"""Every file of `models/edges/` reads its clients' requests, and writes answers, streams with one end, and errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel import Answer, Exhausted, InvalidInput, Unavailable, Usage, plugins
from headgate.models import Asked, Edge, StreamEncoder
from headgate.models.sse import EventParser

EDGES = list(plugins.names("edges"))
Object = dict[str, Any]


@dataclass(frozen=True)
class Wire:
    """A least request of a wire, and where its answers hold text and say that they are over."""

    body: Object
    text: Callable[[Object], str]
    piece: Callable[[Object], str]
    ends: Callable[[Object], bool]
    fails: Callable[[Object], bool]


def _delta(event: Object) -> str:
    [choice] = event.get("choices") or [{}]
    return str(choice.get("delta", {}).get("content") or "")


WIRES = {
    "openai-chat": Wire(
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        lambda body: body["choices"][0]["message"]["content"],
        _delta,
        lambda event: bool(event.get("choices") and event["choices"][0]["finish_reason"]),
        lambda event: "error" in event,
    ),
    "openai-responses": Wire(
        {"model": "m", "input": "Hi"},
        lambda body: "".join(part["text"] for item in body["output"] for part in item.get("content", ())),
        lambda event: event["delta"] if event["type"] == "response.output_text.delta" else "",
        lambda event: event["type"] in ("response.completed", "response.incomplete", "response.failed"),
        lambda event: event["type"] == "error",
    ),
    "anthropic-messages": Wire(
        {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]},
        lambda body: "".join(block.get("text", "") for block in body["content"]),
        lambda event: event["delta"].get("text", "") if event["type"] == "content_block_delta" else "",
        lambda event: event["type"] == "message_stop",
        lambda event: event["type"] == "error",
    ),
}
ANSWER = Answer("It is dry.", "answered", "sha256:ab", "t" * 32, usage=Usage(3, 4))


def edge(name: str) -> Edge:
    loaded: Edge = plugins.load("edges", name)
    return loaded


def opened(name: str, **other: Any) -> StreamEncoder:
    return edge(name).encoder(Asked("m", 1, "t" * 32, {**WIRES[name].body, "stream": True, **other}))


def events(raw: bytes) -> list[Object]:
    return [json.loads(data) for data in EventParser().feed(raw) if data != "[DONE]"]


def test_every_edge_is_tried_here() -> None:
    assert set(EDGES) == WIRES.keys()


def test_every_edge_has_a_place_of_its_own() -> None:
    paths = [edge(name).path for name in EDGES]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith("/v1/") for path in paths)


@pytest.mark.parametrize("name", EDGES)
def test_it_counts_its_behaviour(name: str) -> None:
    assert isinstance(edge(name).behaviour, int)


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("stream", [True, False])
def test_a_least_request_becomes_a_chat(name: str, stream: bool) -> None:
    asked = edge(name).decode_request({**WIRES[name].body, "stream": stream})
    assert (asked["model"], asked["stream"]) == ("m", stream)
    assert asked["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("name", EDGES)
def test_what_it_has_no_opinion_on_survives(name: str) -> None:
    asked = edge(name).decode_request({**WIRES[name].body, "house_rule": {"a": [1]}})
    assert asked["house_rule"] == {"a": [1]}


@pytest.mark.parametrize("name", EDGES)
def test_a_whole_answer_holds_its_text_and_names_its_release(name: str) -> None:
    body = edge(name).completion(ANSWER, Asked("m", 1, "t" * 32, WIRES[name].body))
    assert WIRES[name].text(body) == "It is dry."
    assert (body["model"], body["headgate"]["release"]) == ("m", "sha256:ab")
    assert "t" * 32 in body["id"]


@pytest.mark.parametrize("name", EDGES)
@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(st.text(min_size=1, max_size=6), max_size=6), thoughts=st.lists(st.text(min_size=1), max_size=2))
def test_a_stream_says_every_piece_and_ends_once(name: str, pieces: list[str], thoughts: list[str]) -> None:
    wire, encoder = WIRES[name], opened(name)
    raw = [encoder.start(), *map(encoder.reasoning, thoughts), *map(encoder.text, pieces)]
    found = [event for part in raw for event in events(part)]
    last = events(encoder.end(Answer("".join(pieces), "answered", "sha256:ab", "t" * 32)))
    assert "".join(map(wire.piece, found + last)) == "".join(pieces)
    assert not any(map(wire.ends, found))
    assert sum(map(wire.ends, last)) == 1
    assert not any(map(wire.fails, found + last))


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("after", [0, 1, 2], ids=["nothing", "a thought", "text"])
def test_a_stream_that_cannot_go_on_says_so_once(name: str, after: int) -> None:
    wire, encoder = WIRES[name], opened(name)
    encoder.start()
    for step in (encoder.reasoning, encoder.text)[:after]:
        step("It")
    said = events(encoder.error(Unavailable("the app could not answer", "try again", code="provider_server")))
    assert sum(map(wire.fails, said)) == 1
    assert not any(map(wire.ends, said))
    assert "the app could not answer (try again)" in json.dumps(said)


@pytest.mark.parametrize("name", EDGES)
def test_an_error_says_what_is_wrong_and_what_to_do(name: str) -> None:
    body = edge(name).error_body(Exhausted("the budget is used up", "raise it", code="budget_exhausted"))
    assert body["error"]["message"] == "the budget is used up (raise it)"
    assert body["error"]["type"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "user", "text", "function", "auto"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "name", "tools", "id"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("name", EDGES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_body_is_understood_or_refused(name: str, data: st.DataObject) -> None:
    fields = [*WIRES[name].body, "tools", "tool_choice", "system", "metadata", "stream", "thinking", "reasoning"]
    odd = data.draw(st.dictionaries(st.sampled_from(fields), JSON, max_size=4))
    body = {**WIRES[name].body, **odd}
    try:
        asked = edge(name).decode_request(body)
    except InvalidInput:
        return
    assert isinstance(asked, dict)
    edge(name).completion(ANSWER, Asked("m", 1, "t" * 32, body))


@pytest.mark.parametrize("name", EDGES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_whatever_a_provider_says_becomes_an_answer_and_one_end(name: str, data: st.DataObject) -> None:
    said = st.sampled_from(
        ["refusal", "reasoning_content", "thinking_blocks", "annotations", "citations", "content_blocks", "unheard_of"]
    )
    extra = {
        "message": data.draw(st.dictionaries(said, JSON, max_size=4)),
        "usage": data.draw(st.dictionaries(st.sampled_from(["prompt_tokens_details", "service_tier"]), JSON)),
        "choice": data.draw(st.dictionaries(st.sampled_from(["stop_sequence", "native_finish_reason"]), JSON)),
        "system_fingerprint": data.draw(JSON),
    }
    counts = Usage(3, 4)
    answer = Answer("It is dry.", "answered", "sha256:ab", "t" * 32, finish_reason="odd", usage=counts, extra=extra)
    assert WIRES[name].text(edge(name).completion(answer, Asked("m", 1, "t" * 32, WIRES[name].body))) == "It is dry."
    encoder = opened(name)
    found = events(encoder.start() + encoder.text("It is dry.") + encoder.end(answer))
    assert sum(map(WIRES[name].ends, found)) == 1


@pytest.mark.parametrize("calls", [1, "many", {"a": 1}, [1, None], [{"function": 3}], [{"id": "c"}]], ids=str)
@pytest.mark.parametrize("name", EDGES)
def test_what_a_provider_puts_in_the_place_of_calls_breaks_no_answer(name: str, calls: Any) -> None:
    edge: Edge = plugins.load("edges", name)
    others = [{"index": 1, "message": {"content": "ho", "tool_calls": calls}}]
    extra = {"message": {"tool_calls": calls}, "choices": others}
    said, asked = Answer("hi", "answered", "r", "t" * 32, extra=extra), Asked("m", 1, "t" * 32, WIRES[name].body)
    assert WIRES[name].text(edge.completion(said, asked)) == "hi"
    encoder = edge.encoder(asked)
    raw = encoder.start() + encoder.text("hi") + encoder.end(said)
    assert raw.count(b'"hi"') >= 1
