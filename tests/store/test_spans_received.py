"""Spans that others sent: on disk when acknowledged, once each; their trace is one request whatever came when (P3)."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy.engine import make_url

from headgate.kernel import InvalidInput, SpanRecord, Unavailable
from headgate.store import SpanQuery, Spans
from headgate.store.spans import writer

TRACE = "5" * 32
ROOT = SpanRecord(
    project="acme", trace_id=TRACE, span_id="1" * 16, parent_id="", name="answer a question", kind="internal",
    at=1000.0, took_us=2_000_000, status="ok", service="shop", environment="prod", scope="agent", session="s1",
    subject="5ab", attributes={"vip": True, "n": 3}, events=({"name": "started", "at": 1000.1},),
    links=({"trace_id": "6" * 32, "span_id": "2" * 16},), resource={"service.name": "shop"},
    payload={"messages": [{"role": "user", "content": "Where is my parcel?"}], "answer": "In Lyon."},
)  # fmt: skip
CHAT = replace(
    ROOT, span_id="2" * 16, parent_id="1" * 16, name="chat gpt-4o", kind="client", at=1000.5, took_us=1_000_000,
    operation="chat", provider="openai", model="gpt-4o", input_tokens=100, output_tokens=20, cost_nano=3_000_000,
    payload={"messages": [{"role": "user", "content": "raw"}], "answer": "raw answer"}, attributes={}, events=(),
    links=(),
)  # fmt: skip
TOOL = replace(
    CHAT, span_id="3" * 16, name="execute_tool", operation="execute_tool", provider="", model="", at=1000.2,
    input_tokens=0, output_tokens=0, cost_nano=None, status="error", message="timed out", payload={},
)  # fmt: skip
SPANS = [ROOT, CHAT, TOOL, replace(CHAT, span_id="4" * 16, model="gpt-4o-mini", at=1001.5, cost_nano=1)]


@pytest.fixture
def spans(spans_url: str) -> Iterator[Spans]:
    """A writer, once on each database."""
    opened = Spans(spans_url, writer=True)
    yield opened
    opened.close()


def test_spans_come_back_whole_and_in_order(spans: Spans) -> None:
    assert spans.ingest(SPANS[::-1]) == 4
    assert spans.spans_of("acme", TRACE) == [ROOT, TOOL, CHAT, SPANS[3]]
    assert spans.spans_of("other", TRACE) == []


def test_what_was_acknowledged_is_on_disk(spans: Spans, spans_url: str) -> None:
    reader = Spans(spans_url, writer=False)
    spans.ingest([ROOT])
    assert reader.spans_of("acme", TRACE) == [ROOT]
    with pytest.raises(Unavailable):
        reader.ingest([CHAT])
    reader.close()


def test_duplicates_collapse_within_a_batch_and_after_a_restart(spans_url: str) -> None:
    spans = Spans(spans_url, writer=True)
    assert spans.ingest([ROOT, CHAT, ROOT, replace(CHAT, name="other")]) == 2
    spans.close()
    spans = Spans(spans_url, writer=True)
    assert spans.ingest([CHAT, TOOL]) == 1
    assert spans.ingest([CHAT, TOOL]) == 0
    assert spans.ingest([]) == 0
    [trace] = spans.find(SpanQuery("acme"))
    assert (trace.input_tokens, trace.cost_nano, trace.attributes["spans"]) == (100, 3_000_000, 3)
    spans.close()


def test_the_same_ids_in_another_project_are_other_spans(spans: Spans) -> None:
    assert spans.ingest([ROOT, replace(ROOT, project="other")]) == 2
    assert len(spans.find(SpanQuery("other"))) == 1


def test_a_trace_is_one_request(spans: Spans) -> None:
    spans.ingest(SPANS)
    [trace] = spans.find(SpanQuery("acme", source="otlp", payload=True))
    assert trace == spans.get("acme", TRACE)
    assert (trace.app, trace.environment, trace.route, trace.model) == ("shop", "prod", "answer a question", "gpt-4o")
    assert (trace.status, trace.session, trace.subject) == ("answered", "s1", "5ab")
    assert (trace.at, trace.latency_us) == (1000.0, 2_500_000)
    assert (trace.input_tokens, trace.output_tokens, trace.cost_nano) == (200, 40, 3_000_001)
    assert trace.payload == ROOT.payload
    assert trace.attributes == {"spans": 4, "span_errors": 1, "provider": "openai"}


@pytest.mark.parametrize("seed", range(5))
def test_however_a_trace_is_cut_it_becomes_the_same(spans: Spans, seed: int) -> None:
    """Batches in any order, cut anywhere, some sent twice."""
    spans.ingest([replace(span, trace_id="7" * 32) for span in SPANS])
    chance, order = random.Random(seed), list(SPANS)
    chance.shuffle(order)
    while order:
        size = chance.randint(1, len(order))
        spans.ingest(order[:size])
        if chance.random() < 0.5:
            spans.ingest(order[: size + 1])
        order = order[size:]
    whole, cut = spans.get("acme", "7" * 32), spans.get("acme", TRACE)
    assert whole is not None
    assert cut is not None
    assert structs.replace(whole, trace_id=TRACE) == cut


def test_an_error_at_the_root_is_an_error(spans: Spans) -> None:
    spans.ingest([replace(ROOT, status="error", message="it broke"), CHAT])
    [trace] = spans.find(SpanQuery("acme"))
    assert (trace.status, trace.reason) == ("error", "it broke")


def test_a_trace_without_its_root_is_named_by_its_first_span(spans: Spans) -> None:
    spans.ingest([CHAT, SPANS[3]])
    [trace] = spans.find(SpanQuery("acme", payload=True))
    assert (trace.route, trace.payload) == ("chat gpt-4o", CHAT.payload)


def test_a_request_of_our_own_is_not_overwritten_by_spans_of_its_trace(spans: Spans) -> None:
    """A product that traces itself calls the gateway within its trace; whichever comes first."""
    from headgate.kernel import RequestRecord

    for number, first in enumerate("ab"):
        trace_id = str(number) * 32
        own = RequestRecord(trace_id, "acme", 1.0, "support", "prod", "", "live", "default", "", "", "answered", "")
        if first == "a":
            spans.record(own)
            spans.flush()
        spans.ingest([replace(ROOT, trace_id=trace_id)])
        spans.record(own)
        spans.flush()
        assert spans.get("acme", trace_id) == own
        assert len(spans.spans_of("acme", trace_id)) == 1


def test_odd_values_are_stored_or_refused_and_stop_nobody(spans: Spans) -> None:
    odd: Any = replace(
        ROOT, name="a\0b\ud800", subject="\0", input_tokens=2**70, attributes={"k\0": "\ud800", "o": object}
    )
    assert spans.ingest([odd]) == 1
    [back] = spans.spans_of("acme", TRACE)
    assert back.input_tokens == 2**63 - 1
    with pytest.raises(InvalidInput, match="no time"):
        spans.ingest([replace(CHAT, at=float("nan"))])
    assert spans.ingest([replace(CHAT, input_tokens=2**62)]) == 1
    assert spans.find(SpanQuery("acme"))[0].input_tokens == 2**63 - 1


def test_many_senders_at_once_lose_nothing_and_store_nothing_twice(spans: Spans) -> None:
    new: list[int] = []

    def send(sender: int) -> None:
        for number in range(10):
            trace = f"{sender % 2:016x}{number:016x}"  # every second sender sends the same spans
            new.append(spans.ingest([replace(span, trace_id=trace) for span in SPANS]))

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) == 2 * 10 * len(SPANS)
    found = spans.find(SpanQuery("acme", limit=99))
    assert len(found) == 20
    assert {(item.input_tokens, item.attributes["spans"]) for item in found} == {(200, 4)}


def test_a_database_that_is_gone_is_told_at_once_and_nothing_is_kept(postgres_url: str, postgres: Any) -> None:
    name = make_url(postgres_url).database
    spans = Spans(postgres_url, writer=True)
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="cannot be written"):
        spans.ingest(SPANS)
    assert time.monotonic() - began < 10
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert spans.ingest(SPANS) == 4
    assert [item.requests for item in spans.rollups("acme", 0, 9e9)] == [1]
    spans.close()


def test_who_brings_more_than_fits_waits_and_is_told_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing can be written, spans of a few senders wait in memory, and no more."""
    file = tmp_path / "spans" / "spans.db"
    spans = Spans(f"sqlite:///{file}", writer=True)
    assert spans._writer is not None
    monkeypatch.setattr(writer, "WEIGHT", 10_000)
    ends: list[str] = []

    def send(sender: int) -> None:
        batch = [replace(CHAT, trace_id=f"{sender:032x}", attributes={"text": "x" * 6_000})]
        try:
            assert spans._writer is not None
            ends.append(f"{spans._writer.ingest(batch, 1.5)} stored")
        except Unavailable as problem:
            ends.append(problem.hint)

    with closing(sqlite3.connect(file, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        assert spans._writer._weight <= 20_000
        for thread in threads:
            thread.join()
        assert len(ends) == 8
        assert {"too many spans wait", "the database does not answer"} == set(ends)
        blocker.execute("ROLLBACK")
    assert spans.ingest([ROOT]) == 1
    spans.close()


def test_after_closing_nothing_is_acknowledged(spans_url: str) -> None:
    spans = Spans(spans_url, writer=True)
    spans.close()
    with pytest.raises(Unavailable):
        spans.ingest([ROOT])
