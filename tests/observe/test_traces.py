"""Traces: every filter narrows, attributes are searched, one is shown by the beginning of its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headgate.kernel import InvalidInput, NotFound, RequestRecord
from headgate.observe import TraceQuery, TraceShow, list_traces, show_trace
from headgate.store import Context

Make = Callable[..., RequestRecord]
ODD: dict[str, Any] = {
    "app": "desk",
    "environment": "dev",
    "release": "sha256:" + "b" * 64,
    "route": "billing",
    "status": "blocked",
    "source": "replay",
}


@pytest.fixture
def filled(ctx: Context, make: Make) -> Context:
    """Four plain requests, and for each filter one that differs only there."""
    for number in range(4):
        ctx.store.spans.record(make(number))
    for number, (name, value) in enumerate(ODD.items(), 10):
        ctx.store.spans.record(make(number, **{name: value}))
    ctx.store.spans.flush()
    return ctx


@pytest.mark.parametrize("name", sorted(ODD))
def test_every_filter_narrows_to_what_it_names(filled: Context, name: str) -> None:
    found = list_traces(filled, TraceQuery.model_validate({name: ODD[name]})).traces
    assert [row.trace_id for row in found] == [f"{10 + list(ODD).index(name):08x}{'0' * 24}"]


def test_filters_narrow_together(filled: Context) -> None:
    assert list_traces(filled, TraceQuery(app="desk", status="blocked")).traces == []


def test_the_newest_come_first_and_no_more_than_asked_for(filled: Context) -> None:
    for asked, numbers in (({}, [14, 13, 12]), ({"source": "all"}, [15, 14, 13])):
        found = list_traces(filled, TraceQuery.model_validate({**asked, "limit": 3})).traces
        assert [int(row.trace_id[:8], 16) for row in found] == numbers


def test_pages_follow_each_other_without_gap_or_overlap_also_within_one_moment(ctx: Context, make: Make) -> None:
    for number in range(10):
        ctx.store.spans.record(make(number, at=1000.0))
    ctx.store.spans.flush()
    found: list[str] = []
    before = None
    for size in (4, 4, 2):
        page = list_traces(ctx, TraceQuery(limit=4, before=before))
        assert len(page.traces) == size
        found += [row.trace_id for row in page.traces]
        before = page.older
    assert before is None
    assert len(set(found)) == 10
    with pytest.raises(NotFound):
        list_traces(ctx, TraceQuery(before="e" * 32))


def test_each_sentence_says_which_source_carries_it_and_what_nothing_carries(ctx: Context, make: Make) -> None:
    sentences = [["Hello!", 1.0, ""], ["It is 30 days.", 0.9, "corpus/a"], ["It is free.", 0.59, "corpus/b"],
                 ["Nobody knows.", 0.0, ""]]  # fmt: skip
    record = make(1, key_id="key_7", payload={"messages": [], "answer": "x", "sentences": sentences})
    ctx.store.spans.record(record)
    ctx.store.spans.flush()
    shown = show_trace(ctx, TraceShow(trace_id=record.trace_id))
    assert [item.state for item in shown.sentences] == ["neutral", "supported", "unsupported", "unsupported"]
    assert shown.sentences[1].source == "corpus/a"
    assert (shown.key_id, shown.http_status) == ("key_7", 200)


def test_last_looks_back_from_now(ctx: Context, make: Make) -> None:
    now = ctx.clock.now()
    ctx.store.spans.record(make(1, at=now - 7 * 60))
    ctx.store.spans.record(make(2, at=now - 3 * 60))
    ctx.store.spans.flush()
    found = list_traces(ctx, TraceQuery.model_validate({"last": "5m"})).traces
    assert [int(row.trace_id[:8], 16) for row in found] == [2]


def test_words_are_found_in_question_and_answer(ctx: Context, make: Make) -> None:
    asked = {"messages": [{"role": "user", "content": "Where is my Router?"}], "answer": "x"}
    ctx.store.spans.record(make(1, payload=asked))
    ctx.store.spans.record(make(2, payload={"messages": [], "answer": "Ask about the ROUTER at the desk."}))
    ctx.store.spans.record(make(3, payload={"messages": [], "answer": "Nothing here."}))
    ctx.store.spans.flush()
    found = list_traces(ctx, TraceQuery(text="router")).traces
    assert sorted(int(row.trace_id[:8], 16) for row in found) == [1, 2]
    assert found[-1].question == "Where is my Router?"


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        (["region=eu"], [1, 2]),
        (["region=eu", "tier=gold"], [2]),
        (["region = eu"], [1, 2]),
        (["region=e"], []),
        (["model=other/one"], [3]),
        (["vip=true"], [2]),
        (["region=%"], []),
    ],
)
def test_attributes_are_searched_by_their_exact_value(
    ctx: Context, make: Make, where: list[str], numbers: list[int]
) -> None:
    ctx.store.spans.record(make(1, attributes={"region": "eu"}))
    ctx.store.spans.record(make(2, attributes={"region": "eu", "tier": "gold", "vip": True}))
    ctx.store.spans.record(make(3, model="other/one", attributes={"region": "us"}))
    ctx.store.spans.flush()
    found = list_traces(ctx, TraceQuery(where=where)).traces
    assert sorted(int(row.trace_id[:8], 16) for row in found) == numbers


def test_an_attribute_without_a_value_is_refused_with_an_example(ctx: Context) -> None:
    with pytest.raises(InvalidInput, match="region") as caught:
        list_traces(ctx, TraceQuery(where=["region"]))
    assert "--where" in caught.value.hint


def test_a_trace_is_shown_by_the_beginning_of_its_id(ctx: Context, make: Make) -> None:
    stage = {"name": "model", "start_us": 5, "took_us": 7}
    ctx.store.spans.record(make(0xABCDEF12, latency_us=1500, cost_nano=4_000_000, stages=(stage,), blocked_by="pii"))
    shown = show_trace(ctx, TraceShow(trace_id="ABCDEF12"))
    assert shown.summary.trace_id == "abcdef12" + "0" * 24
    assert shown.summary.latency_ms == 1.5
    assert shown.summary.cost_usd == "0.004"
    assert (shown.stages, shown.blocked_by) == ([stage], "pii")


@pytest.mark.parametrize("asked", ["abcdef1", "ffffffff", "abcdef12" + "1" * 24, "%" * 8, "a" * 8])
def test_a_trace_that_is_not_there_or_not_alone_is_not_found(ctx: Context, make: Make, asked: str) -> None:
    ctx.store.spans.record(make(0xABCDEF12))
    ctx.store.spans.record(make(1, trace_id="a" * 8 + "1" * 24))
    ctx.store.spans.record(make(2, trace_id="a" * 8 + "2" * 24))
    with pytest.raises(NotFound) as caught:
        show_trace(ctx, TraceShow(trace_id=asked))
    assert "trace list" in caught.value.hint


def test_traces_of_another_project_are_not_there(ctx: Context, make: Make) -> None:
    ctx.store.spans.record(make(0xABCDEF12, project="other"))
    ctx.store.spans.flush()
    assert list_traces(ctx, TraceQuery()).traces == []
    with pytest.raises(NotFound):
        show_trace(ctx, TraceShow(trace_id="abcdef12" + "0" * 24))
