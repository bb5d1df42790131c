"""Foreign spans in our words: names of today and yesterday, every shape of a conversation, exact counts on data."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import SpanRecord
from headgate.measure import find_pii, find_secrets, mask
from headgate.observe import Sent, translate

DATA = Path(__file__).parents[3] / "shared" / "data" / "fixtures"
SECOND = 10**9
CARD = "4111 1111 1111 1111"


def sent(attributes: dict[str, Any], **more: Any) -> Sent:
    plain = Sent(
        trace_id="1" * 32, span_id="2" * 16, parent_id="", name="call", kind=3, start_ns=100 * SECOND,
        end_ns=101 * SECOND, status=0, message="", attributes=attributes, events=(), links=(), resource={}, scope="",
    )  # fmt: skip
    return plain._replace(**more)


def read(attributes: dict[str, Any], **more: Any) -> SpanRecord:
    [record] = translate([sent(attributes, **more)], "acme", lambda name: f"hash of {name}")
    return record


SAID = {"messages": [{"role": "user", "content": "Why?"}], "answer": "Because.", "passages": []}
CALLS: dict[str, dict[str, Any]] = {
    "otel": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.conversation.id": "s-1",
        "user.id": "person_a",
        "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]',
        "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."},'
        '{"type": "text", "content": "Because."}]}]',
    },
    "otel, structured": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 10,
        "session.id": "s-1",
        "enduser.id": "person_a",
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}],
        "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "Because."}]}],
    },
    "otel of yesterday": {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.prompt_tokens": 1000,
        "gen_ai.usage.completion_tokens": 10,
        "gen_ai.thread.id": "s-1",
        "enduser.id": "person_a",
        "gen_ai.prompt": '[{"role": "user", "content": "Why?"}]',
        "gen_ai.completion": '[{"role": "assistant", "content": "Because."}]',
    },
    "openinference": {
        "openinference.span.kind": "LLM",
        "llm.provider": "openai",
        "llm.system": "openai",
        "llm.model_name": "gpt-4o-mini",
        "llm.token_count.prompt": 1000,
        "llm.token_count.completion": 10,
        "llm.token_count.total": 1010,
        "session.id": "s-1",
        "user.id": "person_a",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": "Why?",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "Because.",
        "input.value": '{"messages": [{"role": "user", "content": "Why?"}]}',
        "output.value": '{"choices": []}',
    },
    "openllmetry": {
        "llm.request.type": "chat",
        "gen_ai.system": "OpenAI",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.prompt_tokens": 1000,
        "gen_ai.usage.completion_tokens": 10,
        "llm.usage.total_tokens": 1010,
        "traceloop.association.properties.session_id": "s-1",
        "traceloop.association.properties.user_id": "person_a",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Why?",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Because.",
        "gen_ai.completion.0.finish_reason": "stop",
    },
    "langfuse": {
        "langfuse.observation.type": "generation",
        "gen_ai.provider.name": "openai",
        "langfuse.observation.model.name": "gpt-4o-mini",
        "langfuse.observation.usage_details": '{"input": 1000, "output": 10, "total": 1010}',
        "langfuse.session.id": "s-1",
        "langfuse.user.id": "person_a",
        "langfuse.observation.input": '[{"role": "user", "content": "Why?"}]',
        "langfuse.observation.output": '{"role": "assistant", "content": "Because."}',
    },
    "vercel": {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.provider": "openai.responses",
        "ai.model.id": "gpt-4o-mini",
        "ai.usage.promptTokens": 1000,
        "ai.usage.completionTokens": 10,
        "ai.telemetry.metadata.sessionId": "s-1",
        "ai.telemetry.metadata.userId": "person_a",
        "ai.prompt.messages": '[{"role":"user","content":[{"type":"text","text":"Why?"}]}]',
        "ai.response.text": "Because.",
    },
}


@pytest.mark.parametrize("convention", CALLS)
def test_a_call_reads_the_same_in_every_convention(convention: str) -> None:
    record = read(CALLS[convention])
    assert (record.operation, record.provider, record.model) == ("chat", "openai", "gpt-4o-mini")
    assert (record.input_tokens, record.output_tokens, record.cost_nano) == (1000, 10, 156_000)
    assert (record.session, record.subject) == ("s-1", "hash of person_a")
    assert record.payload == SAID
    everything = json.dumps([record.attributes, record.events, record.resource])
    assert "Why?" not in everything
    assert "Because" not in everything
    assert "person_a" not in everything


EVENTS: dict[str, list[dict[str, Any]]] = {
    "bodies": [
        {"name": "gen_ai.user.message", "at": 1.0, "attributes": {"gen_ai.event.content": '{"content": "Why?"}'}},
        {"name": "gen_ai.choice", "at": 2.0,
         "attributes": {"gen_ai.event.content": '{"index": 0, "message": {"content": "Because."}}'}},
    ],
    "attributes": [
        {"name": "gen_ai.user.message", "at": 1.0, "attributes": {"content": "Why?", "role": "user"}},
        {"name": "gen_ai.choice", "at": 2.0, "attributes": {"message": '{"content": "Because."}', "index": 0}},
    ],
    "content events": [
        {"name": "gen_ai.content.prompt", "at": 1.0,
         "attributes": {"gen_ai.prompt": '[{"role": "user", "content": "Why?"}]'}},
        {"name": "gen_ai.content.completion", "at": 2.0,
         "attributes": {"gen_ai.completion": '[{"role": "assistant", "content": "Because."}]'}},
    ],
    "operation details": [
        {"name": "gen_ai.client.inference.operation.details", "at": 1.0, "attributes": {
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}],
            "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "Because."}]}]}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("shape", EVENTS)
def test_conversations_in_events_are_read_and_kept_once(shape: str) -> None:
    record = read({"gen_ai.operation.name": "chat", "gen_ai.system": "openai"}, events=EVENTS[shape])
    assert record.payload == SAID
    assert [event["name"] for event in record.events] == [event["name"] for event in EVENTS[shape]]
    assert "Why?" not in json.dumps(record.events)


def test_a_retriever_brings_passages() -> None:
    record = read({
        "openinference.span.kind": "RETRIEVER",
        "input.value": "returns",
        "retrieval.documents.1.document.content": "second",
        "retrieval.documents.0.document.id": "returns.md",
        "retrieval.documents.0.document.content": "30 days",
        "retrieval.documents.0.document.score": 0.51234567,
    })  # fmt: skip
    assert record.operation == "retrieval"
    assert record.payload["messages"] == [{"role": "user", "content": "returns"}]
    assert record.payload["passages"] == [
        {"source": "returns.md", "text": "30 days", "score": 0.5123},
        {"source": "", "text": "second", "score": None},
    ]


def test_documents_of_today_are_passages() -> None:
    record = read({"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.query.text": "returns",
                   "gen_ai.retrieval.documents": '[{"id": "a", "score": 0.9}]'})  # fmt: skip
    assert record.payload["passages"] == [{"source": "a", "text": "", "score": 0.9}]


def test_tools_are_shown_as_calls_and_their_results() -> None:
    told = [{"role": "assistant", "parts": [{"type": "tool_call", "name": "weather", "arguments": {"city": "Paris"}}]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "response": "rainy"}]}]  # fmt: skip
    record = read({"gen_ai.operation.name": "chat", "gen_ai.input.messages": told})
    assert [turn["content"] for turn in record.payload["messages"]] == ['weather({"city":"Paris"})', "rainy"]
    indexed = read({
        "openinference.span.kind": "LLM",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"city":"Paris"}',
    })  # fmt: skip
    assert indexed.payload["answer"] == 'weather({"city":"Paris"})'
    tool = read({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": '{"city":"Paris"}',
                 "gen_ai.tool.call.result": "rainy"})  # fmt: skip
    assert tool.payload["messages"] == [{"role": "tool", "content": '{"city":"Paris"}'}]
    assert tool.payload["answer"] == "rainy"


def test_spans_around_calls_do_not_count_their_tokens_again() -> None:
    for around in ({"gen_ai.operation.name": "invoke_agent"}, {"ai.operationId": "ai.generateText"},
                   {"openinference.span.kind": "AGENT"}, {"traceloop.span.kind": "workflow"}):  # fmt: skip
        record = read({**around, "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 5,
                       "gen_ai.request.model": "gpt-4o"})  # fmt: skip
        assert (record.input_tokens, record.output_tokens, record.cost_nano) == (0, 0, None)
        assert record.attributes["gen_ai.usage.input_tokens"] == 5


@pytest.mark.parametrize(
    ("attributes", "cost"),
    [
        ({"gen_ai.usage.cost": 0.25}, 250_000_000),
        ({"llm.cost.total": "0.5"}, 500_000_000),
        ({"operation.cost": 0.0}, 0),
        ({"langfuse.observation.cost_details": '{"input": 0.25, "output": 0.5}'}, 750_000_000),
        ({"langfuse.observation.cost_details": '{"total": 0.125, "input": 1}'}, 125_000_000),
        ({"gen_ai.usage.cost": -1}, None),
        ({"gen_ai.usage.cost": float("nan")}, None),
        ({"gen_ai.usage.cost": "dear"}, None),
    ],
)
def test_what_a_span_says_it_cost_counts(attributes: dict[str, Any], cost: int | None) -> None:
    assert read({"gen_ai.operation.name": "chat", **attributes}).cost_nano == cost


@pytest.mark.parametrize(
    ("provider", "model", "more", "cost"),
    [
        ("openai", "gpt-4o-mini", {}, 156_000),
        ("openai", "gpt-4o-mini", {"gen_ai.usage.cache_read.input_tokens": 100}, 148_500),
        ("openai", "gpt-4o-mini", {"llm.token_count.prompt_details.cache_read": 100}, 148_500),
        ("", "gpt-4o-mini", {}, 156_000),
        ("openai", "a-model-nobody-lists", {}, None),
        ("ollama", "gpt-4o-mini", {}, None),
    ],
)
def test_the_public_price_is_taken_when_model_and_provider_are_known(
    provider: str, model: str, more: dict[str, Any], cost: int | None
) -> None:
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model, "gen_ai.provider.name": provider or None}
    tokens = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 10}
    assert read({**call, **tokens, **more}).cost_nano == cost
    assert read(call).cost_nano is None, "without tokens nobody knows the cost"


def test_cached_and_reasoning_tokens_have_todays_names() -> None:
    record = read({"openinference.span.kind": "LLM", "llm.token_count.prompt": 10, "llm.token_count.completion": 9,
                   "llm.token_count.prompt_details.cache_read": 4,
                   "llm.token_count.completion_details.reasoning": 7})  # fmt: skip
    assert record.attributes["gen_ai.usage.cache_read.input_tokens"] == 4
    assert record.attributes["gen_ai.usage.reasoning.output_tokens"] == 7


def test_secrets_and_personal_data_are_masked_wherever_they_stand() -> None:
    key = "sk-" + "a1" * 24
    record = read(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": f'[{{"role": "user", "content": "my card is {CARD}"}}]',
            "gen_ai.output.messages": f"the key is {key}",
            "http.request.header.authorization": "Bearer abc",
            "note": f"mail person@example.com with {key}",
            "list": ["x", f"card {CARD}"],
        },
        message=f"failed for {CARD}",
        status=2,
        events=[{"name": "exception", "at": 1.0, "attributes": {"exception.message": f"bad key {key}"}}],
        resource={"service.name": "shop", "process.command_args": ["--key", key]},
        links=[{"trace_id": "3" * 32, "span_id": "4" * 16, "attributes": {"who": "person@example.com"}}],
    )
    everything = repr(record)
    for private in (CARD, key, "person@example.com", "Bearer abc"):
        assert private not in everything
    assert record.payload["messages"][0]["content"] == "my card is <CARD>"
    assert record.status == "error"
    assert record.message == "failed for <CARD>"


def test_a_session_that_is_an_address_is_masked() -> None:
    record = read({"session.id": "person@example.com"})
    assert record.session == "<EMAIL>"
    assert record.attributes["session.id"] == "<EMAIL>"


def test_sizes_are_bounded() -> None:
    turns = [{"role": "user", "content": "x" * 20_000} for _ in range(100)]
    record = read(
        {"gen_ai.input.messages": json.dumps(turns), **{f"k{n}": n for n in range(1000)}, "deep": [[[[[[["x"]]]]]]]},
        events=[{"name": "e", "at": 1.0, "attributes": {}}] * 1000,
    )
    assert len(record.payload["messages"]) == 40
    assert all(len(turn["content"]) == 8000 for turn in record.payload["messages"])
    assert len(record.attributes) == 129
    assert record.attributes["dropped_attributes"] == 1001 - 128
    assert len(record.events) == 64


@pytest.mark.parametrize("broken", [None, True, -5, 1e300, "many", [], {}, float("inf"), float("nan"), 2**80])
def test_a_broken_value_never_breaks_its_span(broken: Any) -> None:
    names = [name for call in CALLS.values() for name in call]
    record = read(dict.fromkeys(names, broken))
    assert record.input_tokens in (0, 1)
    assert isinstance(record.model, str)


def test_the_project_is_the_callers_whatever_a_resource_says() -> None:
    told = {"service.name": "shop", "headgate.project": "other", "project": "other", "deployment.environment": "prod"}
    record = read({}, resource=told)
    assert (record.project, record.service, record.environment) == ("acme", "shop", "prod")


def masked_together(texts: list[str]) -> list[str]:
    """Send each text as a question of its own, all in one export."""
    spans = [sent({"gen_ai.input.messages": [{"role": "user", "content": text}]}) for text in texts]
    records = translate(spans, "acme", str)
    return [record.payload["messages"][0]["content"] for record in records]


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="the data of shared/data are not here")
@pytest.mark.parametrize("order", range(3))
def test_texts_looked_at_together_are_masked_as_if_each_was_alone(order: int) -> None:
    texts = list(dict.fromkeys(private_texts()))
    random.Random(order).shuffle(texts)
    assert len(texts) > 1500
    alone = [mask(text, [*find_secrets(text), *find_pii(text)]) for text in texts]
    assert masked_together(texts) == alone
    assert sum(one != other for one, other in zip(texts, alone, strict=True)) > 500


def private_texts() -> Iterator[str]:
    """Yield the texts of the personal-data and the secrets sets, and pieces of them that end in the middle."""
    for file in sorted([*(DATA.parent / "pii").iterdir(), *(DATA.parent / "secrets").iterdir()]):
        if file.suffix == ".jsonl":
            for line in file.read_text(encoding="utf-8").splitlines():
                text = str(json.loads(line).get("text") or "")[:8000]
                yield from (piece for piece in (text, text[: len(text) // 2], text[len(text) // 2 :]) if piece)


def test_neighbours_in_a_row_do_not_touch_each_other() -> None:
    texts = [
        "my password is", "hunter2hunter2", "-----BEGIN PRIVATE KEY-----", "a plain question", "order", "212-555-0147",
        "my ssn is", "123456789", "call me at", "1", "4111 1111", "1111 1111", "a b c d", "e f g h",
    ]  # fmt: skip
    assert masked_together(texts) == [mask(text, [*find_secrets(text), *find_pii(text)]) for text in texts]


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="the fixtures of shared/data are not here")
def test_vercels_spans_give_exact_counts() -> None:
    told = json.loads((DATA / "otlp" / "openinference_vercel_v6_spans.json").read_text(encoding="utf-8"))
    spans = [
        sent(
            span["attributes"], name=span["name"], status=0,
            trace_id=span["spanContext"]["traceId"], span_id=span["spanContext"]["spanId"],
            start_ns=span["startTime"][0] * SECOND + span["startTime"][1],
            end_ns=span["endTime"][0] * SECOND + span["endTime"][1],
            events=[{"name": event["name"], "at": float(event["time"][0]), "attributes": event["attributes"]}
                    for event in span["events"]],
        )
        for span in told
    ]  # fmt: skip
    records = translate(spans, "acme", str)
    assert len(records) == 10
    calls = [record for record in records if record.operation in ("chat", "embeddings")]
    tokens = [(record.input_tokens, record.output_tokens) for record in calls]
    assert tokens == [(14, 20), (50, 9), (63, 156), (15, 112), (10, 0)]
    assert [record.cost_nano for record in calls] == [14_100, 12_900, 103_050, 69_450, 200]
    assert {record.model for record in calls} == {"gpt-4o-mini-2024-07-18", "text-embedding-3-small"}
    assert {record.provider for record in records} == {"openai"}
    assert all(record.cost_nano is None and not record.input_tokens for record in records if record not in calls)
    assert calls[0].payload["messages"] == [{"role": "user", "content": "Write a haiku about programming."}]
    assert calls[1].payload["answer"] == "3 + 3 equals 6."
    assert len(calls[1].payload["messages"]) == 4
    assert "0.018449828" not in repr(records), "embeddings are not kept"


def examples() -> list[dict[str, Any]]:
    """Return the attributes of each span table of the conventions' own examples, links followed to their JSON."""
    text = (DATA / "otel_genai" / "docs__gen-ai__non-normative__examples-llm-calls.md").read_text(encoding="utf-8")
    linked = {
        name: json.loads(block)
        for name, block in re.findall(r'<span id="([^"]+)">.*?</span>\s+```json\n(.*?)```', text, re.DOTALL)
    }
    spans = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = dict(re.findall(r"^\| `?([\w. ]+?)`?\s*\| (.*?)\s*\|$", table, re.MULTILINE))
        if "Span name" not in rows:
            continue
        found: dict[str, Any] = {}
        for name, value in rows.items():
            if link := re.match(r"\[.*\]\(#(.*)\)", value):
                found[name] = json.dumps(linked[link[1]])
            elif name.startswith("gen_ai."):
                found[name] = json.loads(value.strip("`"))
        spans.append(found)
    return spans


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="the fixtures of shared/data are not here")
def test_the_conventions_own_examples_give_exact_counts() -> None:
    records = [read(attributes) for attributes in examples()]
    assert len(records) == 13
    assert [record.operation for record in records].count("execute_tool") == 2
    calls = [record for record in records if record.operation == "chat"]
    assert [(call.input_tokens, call.output_tokens, call.cost_nano) for call in calls] == [
        (52, 47, 4_380_000), (52, 47, 4_380_000), (52, 47, 4_380_000), (47, 17, 2_430_000), (97, 52, 6_030_000),
        (47, 17, 2_430_000), (97, 52, 6_030_000), (28, 10, 1_440_000), (52, 47, 4_380_000), (385, 44, 14_190_000),
        (52, 77, 6_180_000),
    ]  # fmt: skip
    assert [len(call.payload.get("messages", ())) for call in calls] == [0, 2, 0, 0, 0, 1, 3, 3, 2, 2, 2]
    reasoned = calls[8].payload["answer"]
    assert reasoned.startswith(" Why did the developer")
    assert "Alright, the user wants" not in reasoned
