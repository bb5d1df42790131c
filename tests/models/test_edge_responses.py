"""What a client of the Responses API is answered, whole and piece by piece, as the real `openai` client reads it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pydantic
import pytest
from openai.types.responses import Response
from openai.types.responses.response_stream_event import ResponseStreamEvent
from pydantic import TypeAdapter
from tests.models.responding import BLOCKS, CALLS, EDGE, WEATHER, Server, answer, client, events

from headgate.kernel import Answer, Exhausted, InvalidInput, Passage, Unavailable
from headgate.models import Asked

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


# What is answered whole


def test_a_whole_answer_is_a_response() -> None:
    given = answer(
        extra={
            "usage": {
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            "service_tier": "flex",
            "citations_of_the_house": ["a"],
        },
        citations=("corpus/a",),
        passages=(Passage("corpus/a", "Dry.", "Weather"),),
    )
    server = Server(given)
    found = client(server).responses.create(
        model="support@staging", input="Hi", instructions="Be brief.", temperature=0.5, metadata={"a": "b"},
        tools=[WEATHER],  # type: ignore[list-item]
    )  # fmt: skip
    assert found.output_text == "It is dry."
    assert (found.id, found.object, found.created_at, found.model) == (
        "resp_" + "t" * 32, "response", 1_700_000_000, "support@staging",
    )  # fmt: skip
    assert (found.status, found.error, found.incomplete_details) == ("completed", None, None)
    assert found.usage is not None
    assert found.usage.to_dict() == {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 17,
    }
    assert (found.instructions, found.temperature, found.metadata) == ("Be brief.", 0.5, {"a": "b"})
    assert [tool.to_dict() for tool in found.tools] == [WEATHER]
    assert (found.service_tier, found.text and found.text.to_dict()) == ("flex", {"format": {"type": "text"}})
    raw = found.to_dict()
    assert raw["store"] is False
    assert raw["citations_of_the_house"] == ["a"]
    assert raw["headgate"] == {
        "release": "sha256:ab", "trace": "t" * 32, "status": "answered", "route": "",
        "sources": [{"n": 1, "source": "corpus/a", "heading": "Weather"}],
    }  # fmt: skip


def test_a_whole_answer_fits_the_clients_own_types() -> None:
    """The client builds objects without checking them; here every field is checked."""
    extra = {
        "message": {
            "tool_calls": CALLS,
            "reasoning_content": "Hm.",
            "annotations": [
                {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}
            ],
        },
        "choice": {"logprobs": {"content": [{"token": "It", "logprob": -0.1}]}},
    }
    body = {"model": "m", "input": "Hi", "tools": [WEATHER], "reasoning": {"effort": "low"}}
    raw = EDGE.completion(answer(extra=extra), Asked("m", 1, "t" * 32, body))
    checked = Response.model_validate(raw, strict=False)
    assert [item.type for item in checked.output] == ["reasoning", "message", "function_call", "function_call"]
    part = raw["output"][1]["content"][0]
    assert part["annotations"] == [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}]
    assert part["logprobs"] == [{"token": "It", "logprob": -0.1, "bytes": [], "top_logprobs": []}]


@pytest.mark.parametrize(
    ("given", "status", "why"),
    [
        (answer(finish_reason="length"), "incomplete", "max_output_tokens"),
        (answer(finish_reason="content_filter"), "incomplete", "content_filter"),
        (answer(status="blocked"), "incomplete", "content_filter"),
        (answer(status="refused"), "completed", None),
        (answer(status="held"), "completed", None),
    ],
    ids=["length", "filtered", "blocked", "refused", "held"],
)
def test_how_it_ended_is_told_whole_and_streamed(given: Answer, status: str, why: str | None) -> None:
    whole = client(Server(given)).responses.create(model="m", input="Hi")
    *_, last = client(Server(given, ("It is", " dry."))).responses.create(model="m", input="Hi", stream=True)
    assert last.type == f"response.{status}"
    assert isinstance(
        last, openai.types.responses.ResponseCompletedEvent | openai.types.responses.ResponseIncompleteEvent
    )
    for found in (whole, last.response):
        assert found.status == status
        assert (found.incomplete_details.reason if found.incomplete_details else None) == why
        assert found.output_text == "It is dry."
        assert found.output[0].to_dict()["status"] == status


def test_an_answer_that_failed_is_a_failed_response() -> None:
    given = answer("", status="error", reason="provider_server: no model answered")
    raw = EDGE.completion(given, Asked("m", 1, "t" * 32, {}))
    assert (raw["status"], raw["error"]) == ("failed", {"code": "server_error", "message": "no model answered"})


NO = "I will not."


@pytest.mark.parametrize(
    ("text", "pieces", "refusals", "content"),
    [
        (NO, (), ("I will", " not."), [("refusal", NO)]),
        (NO, (), ("I will",), [("refusal", NO)]),
        (NO, (), (), [("refusal", NO)]),
        (f"Well. {NO}", ("Well. ",), ("I will not.",), [("output_text", "Well. "), ("refusal", NO)]),
        (f"Well. {NO}", ("Well",), (), [("output_text", "Well. "), ("refusal", NO)]),
    ],
    ids=["streamed", "begun", "at the end", "behind text", "behind text at the end"],
)
def test_the_providers_refusal_is_a_refusal_whole_and_streamed_and_said_once(
    text: str, pieces: tuple[str, ...], refusals: tuple[str, ...], content: list[tuple[str, str]]
) -> None:
    given = answer(text, status="refused", extra={"message": {"refusal": NO}})
    whole = client(Server(given)).responses.create(model="m", input="Hi")
    with client(Server(given, pieces, refusals=refusals)).responses.stream(model="m", input="Hi") as stream:
        told = list(stream)
        found = stream.get_final_response()
    for one in (whole, found):
        [item] = one.output
        parts = [part.to_dict() for part in item.content]  # type: ignore[union-attr]
        assert [(part["type"], part.get("text", part.get("refusal"))) for part in parts] == content
    where = len(content) - 1
    deltas = [event for event in told if event.type == "response.refusal.delta"]
    assert "".join(event.delta for event in deltas) == NO
    assert {event.content_index for event in deltas} == {where}
    [done] = [event for event in told if event.type == "response.refusal.done"]
    assert (done.refusal, done.content_index) == (NO, where)
    added = [event.part.type for event in told if event.type == "response.content_part.added"]
    ended = [event.part.type for event in told if event.type == "response.content_part.done"]
    assert added == ended == [kind for kind, _ in content]


def test_a_refusal_that_left_as_text_is_not_said_again() -> None:
    given = answer(NO, status="refused", extra={"message": {"refusal": NO}})
    with client(Server(given, ("I will", " not."))).responses.stream(model="m", input="Hi") as stream:
        [item] = stream.get_final_response().output
    assert [part.to_dict()["text"] for part in item.content] == [NO]  # type: ignore[union-attr]


# What is answered piece by piece


def test_a_stream_gives_what_a_whole_answer_gives() -> None:
    extra = {"message": {"tool_calls": CALLS, "reasoning_content": "I should look.", "thinking_blocks": BLOCKS}}
    given = answer(finish_reason="tool_calls", extra=extra)
    whole = client(Server(given)).responses.create(model="m", input="Hi")
    server = Server(given, ("It is", " dry."), ("I should", " look."))
    with client(server).responses.stream(model="m", input="Hi", instructions="Be brief.") as stream:
        kinds = [event.type for event in stream]
        found = stream.get_final_response()
    assert [item.to_dict() for item in whole.output] == [_plain(item.to_dict()) for item in found.output]
    assert (found.usage, found.status) == (whole.usage, "completed")
    assert kinds == [
        "response.created", "response.in_progress",
        "response.output_item.added", "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta", "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done", "response.reasoning_summary_part.done",
        "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.delta",
        "response.output_item.done",
        "response.output_text.done", "response.content_part.done", "response.output_item.done",
        *["response.output_item.added", "response.function_call_arguments.delta",
          "response.function_call_arguments.done", "response.output_item.done"] * 2,
        "response.completed",
    ]  # fmt: skip


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the client's parser adds."""
    item.pop("parsed_arguments", None)
    for part in item.get("content") or ():
        part.pop("parsed", None)
    return item


def stream_of(feed: Callable[[Any], Iterator[bytes]], body: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    encoder = EDGE.encoder(Asked("m", 1, "t" * 32, body or {}))
    return events(b"".join(feed(encoder)))


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"message": {"tool_calls": CALLS}},
        {"message": {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "shell", "input": "ls"}}]}},
        {"message": {"reasoning_content": "Hm.", "refusal": "No."}, "choice": {"logprobs": {"content": []}}},
        {"message": {"annotations": [{"type": "url_citation", "url_citation": {
            "url": "u", "title": "t", "start_index": 0, "end_index": 1}}]}},
    ],
    ids=["text", "calls", "custom", "thought", "annotated"],
)  # fmt: skip
def test_every_event_is_numbered_and_fits_the_clients_own_types(extra: dict[str, Any]) -> None:
    def feed(encoder: Any) -> Iterator[bytes]:
        yield encoder.start()
        yield encoder.reasoning("I ")
        yield encoder.text("It ")
        yield encoder.text("is")
        yield encoder.reasoning("doubt")
        yield encoder.text(" dry.")
        yield encoder.end(answer(extra=extra))

    said = stream_of(feed)
    assert [event["sequence_number"] for event in said] == list(range(len(said)))
    for event in said:
        try:
            EVENT.validate_python(event)
        except pydantic.ValidationError as problem:
            raise AssertionError(event["type"]) from problem
    opened = [event["output_index"] for event in said if event["type"] == "response.output_item.added"]
    closed = [event["output_index"] for event in said if event["type"] == "response.output_item.done"]
    assert opened == sorted(closed) == list(range(len(opened)))
    assert [event["type"] for event in said].count("response.completed") == 1
    assert said[-1]["type"] == "response.completed"


def test_a_thought_ends_before_the_text_that_follows_it() -> None:
    def feed(encoder: Any) -> Iterator[bytes]:
        encoder.start()
        yield encoder.text("It ")
        yield encoder.reasoning("doubt")
        yield encoder.text("is")
        yield encoder.reasoning("again")
        yield encoder.end(answer("It is"))

    said = stream_of(feed)
    kinds = [event["type"].removeprefix("response.") for event in said]
    thought = kinds.index("reasoning_summary_part.done")
    assert thought < kinds.index("output_text.delta", kinds.index("output_text.delta") + 1)
    summaries = [part["text"] for part in said[-1]["response"]["output"][1]["summary"]]
    assert summaries == ["doubt", "again"]


def test_events_are_named_as_their_type() -> None:
    raw = EDGE.encoder(Asked("m", 1, "t" * 32, {})).start()
    assert raw.startswith(b"event: response.created\ndata: {")
    assert b"\n\nevent: response.in_progress\ndata: {" in raw


def test_text_that_nobody_streamed_comes_with_the_end() -> None:
    found = list(client(Server(answer())).responses.create(model="m", input="Hi", stream=True))
    assert [event.delta for event in found if event.type == "response.output_text.delta"] == ["It is dry."]
    rest = list(client(Server(answer(), ("It",))).responses.create(model="m", input="Hi", stream=True))
    assert [event.delta for event in rest if event.type == "response.output_text.delta"] == ["It", " is dry."]


def test_what_was_replaced_after_some_of_it_left_ends_as_what_left() -> None:
    server = Server(answer("Something else.", status="blocked"), ("It is",))
    *_, last = client(server).responses.create(model="m", input="Hi", stream=True)
    assert last.type == "response.incomplete"
    assert last.response.output_text == "It is"


def test_an_answer_of_nothing_has_a_message_of_nothing() -> None:
    for found in (
        client(Server(answer(""))).responses.create(model="m", input="Hi"),
        client(Server(answer(""))).responses.stream(model="m", input="Hi").__enter__().get_final_response(),
    ):
        assert [item.type for item in found.output] == ["message"]
        assert found.output_text == ""


def test_calls_alone_have_no_message() -> None:
    given = answer("", finish_reason="tool_calls", extra={"message": {"tool_calls": CALLS}})
    with client(Server(given)).responses.stream(model="m", input="Hi") as stream:
        found = stream.get_final_response()
    assert [item.type for item in found.output] == ["function_call", "function_call"]
    assert [item.call_id for item in found.output] == ["call_a", "call_b"]  # type: ignore[union-attr]


def test_a_stream_that_fails_ends_with_an_error_that_the_client_raises() -> None:
    server = Server(answer(), ("It",))
    server.error = Unavailable("the app could not answer", "try again", code="provider_server")
    with pytest.raises(openai.APIError, match=r"could not answer \(try again\)") as caught:
        list(client(server).responses.create(model="m", input="Hi", stream=True))
    assert caught.value.code == "provider_server"


def test_the_error_event_is_flat_as_the_reference_has_it() -> None:
    encoder = EDGE.encoder(Asked("m", 1, "t" * 32, {}))
    encoder.start()
    [event] = events(encoder.error(Exhausted("the budget is used up", code="budget_exhausted")))
    assert (event["type"], event["code"], event["message"], event["param"], event["sequence_number"]) == (
        "error", "budget_exhausted", "the budget is used up", None, 2,
    )  # fmt: skip
    assert event["error"]["type"] == "insufficient_quota"


class Page(pydantic.BaseModel):
    title: str


def test_a_structured_answer_is_parsed_whole_and_streamed() -> None:
    given = answer('{"title": "Dry"}')
    server = Server(given)
    assert client(server).responses.parse(model="m", input="Hi", text_format=Page).output_parsed == Page(title="Dry")
    assert server.asked["response_format"]["json_schema"]["name"] == "Page"
    with client(Server(given, ('{"title":', ' "Dry"}'))).responses.stream(
        model="m", input="Hi", text_format=Page
    ) as stream:
        assert stream.get_final_response().output_parsed == Page(title="Dry")


def test_an_answer_sent_back_as_input_is_the_message_that_it_was() -> None:
    """Thoughts and their signatures included, by which a provider knows its own again."""
    extra = {"message": {"tool_calls": CALLS, "reasoning_content": "Hm.", "thinking_blocks": BLOCKS}}
    server = Server(answer(finish_reason="tool_calls", extra=extra), ("It is dry.",), ("Hm.",))
    for found in (
        client(server).responses.create(model="m", input="Hi"),
        client(server).responses.stream(model="m", input="Hi").__enter__().get_final_response(),
    ):
        items: list[Any] = [{"role": "user", "content": "Hi"}, *found.output]
        items += [{"type": "function_call_output", "call_id": known, "output": "dry"} for known in ("call_a", "call_b")]
        client(server).responses.create(model="m", input=items)
        assert server.asked["messages"][1] == {
            "role": "assistant", "content": "It is dry.", "reasoning_content": "Hm.", "thinking_blocks": BLOCKS,
            "tool_calls": CALLS,
        }  # fmt: skip


def test_what_is_sealed_elsewhere_is_refused() -> None:
    other = base64.b64encode(b'{"a": 1}').decode()
    with pytest.raises(InvalidInput, match="was not made here"):
        EDGE.decode_request({"input": [{"type": "reasoning", "encrypted_content": other}]})
