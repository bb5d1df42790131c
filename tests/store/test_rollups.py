"""Roll-ups always equal a count of the rows, whoever wrote them and whatever changed; percentiles are within 5 %."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from tests.store.recount import recount, shown
from tests.store.test_spans_received import SPANS

from headgate.kernel import RequestRecord, new_trace_id
from headgate.store import STEPS, Grain, Latency, Rollup, SpanQuery, Spans
from headgate.store.spans.latency import bin_of, pack_bins

CHANCE = random.Random(3)


@pytest.fixture
def spans(spans_url: str) -> Iterator[Spans]:
    """A writer, once on each database."""
    opened = Spans(spans_url, writer=True)
    yield opened
    opened.close()


def request(at: float = 1000.0, **changes: Any) -> RequestRecord:
    plain: dict[str, Any] = {
        "trace_id": new_trace_id(), "project": "acme", "at": at, "app": "support", "environment": "prod",
        "release": "sha256:a", "source": "live", "route": "default", "label": "", "model": "m", "status": "answered",
        "reason": "", "cost_nano": 5, "input_tokens": 7, "output_tokens": 2, "latency_us": 1000,
    }  # fmt: skip
    return RequestRecord(**{**plain, **changes})


def mixed(number: int) -> list[RequestRecord]:
    return [
        request(
            at=CHANCE.uniform(0, 9000), status=CHANCE.choice(["answered", "blocked", "error"]), cost_nano=index,
            route=CHANCE.choice(["a", "b"]), latency_us=int(CHANCE.lognormvariate(12, 2)),
            project=CHANCE.choice(["acme", "other"]),
        )
        for index in range(number)
    ]  # fmt: skip


def test_rollups_equal_a_count_of_the_rows(spans: Spans) -> None:
    records = mixed(300)
    for record in [*records, *records[:50]]:
        spans.record(record)
        if CHANCE.random() < 0.05:
            spans.flush()
    spans.flush()
    for project in ("acme", "other"):
        for step in STEPS:
            assert shown(spans, project, step) == recount(spans, project, step)
    assert sum(item.requests for item in spans.rollups("acme", 0, 9e9)) == len(spans.find(SpanQuery("acme", limit=999)))


def test_they_stay_right_while_traces_of_others_grow(spans: Spans) -> None:
    """A trace moves between buckets: its status, its start and its latency change with the spans that come."""
    for number in range(12):
        cut = [replace(span, trace_id=f"{number % 5:032x}", at=span.at + 290) for span in SPANS]
        CHANCE.shuffle(cut)
        spans.ingest(cut[: number % 4 + 1])
        assert shown(spans, "acme", 300) == recount(spans, "acme", 300)
    assert sum(item.requests for item in spans.rollups("acme", 0, 9e9)) == 5


def test_a_request_of_our_own_takes_the_place_of_a_foreign_trace(spans: Spans) -> None:
    spans.ingest(SPANS)
    spans.record(request(trace_id=SPANS[0].trace_id))
    spans.flush()
    assert [item.source for item in spans.rollups("acme", 0, 9e9)] == ["live"]
    assert shown(spans, "acme", 300) == recount(spans, "acme", 300)


def test_a_restart_goes_on_where_the_last_one_ended(spans_url: str) -> None:
    for _ in range(3):
        spans = Spans(spans_url, writer=True)
        spans.record(request())
        spans.close()
    reader = Spans(spans_url, writer=False)
    [rollup] = reader.rollups("acme", 0, 9e9)
    assert (rollup.requests, rollup.cost_nano, rollup.input_tokens) == (3, 15, 21)
    reader.close()


def test_several_processes_add_up(postgres_url: str) -> None:
    writers = [Spans(postgres_url, writer=True) for _ in range(3)]
    for _ in range(5):
        for spans in writers:
            spans.record(request())
            spans.flush()
    [rollup] = writers[0].rollups("acme", 0, 9e9)
    assert rollup.requests == 15
    for spans in writers:
        spans.close()


def test_a_group_that_fails_counts_nothing(spans: Spans) -> None:
    """A record that no database can hold takes its group along; each of the group is then stored by itself, once."""
    for record in (request(), request(input_tokens=2**70), request()):
        spans.record(record)
    spans.flush()
    assert spans.dropped == 1
    assert shown(spans, "acme", 300) == recount(spans, "acme", 300)
    assert sum(item.requests for item in spans.rollups("acme", 0, 9e9)) == 2


def test_buckets_begin_on_the_clock_and_the_window_is_half_open(spans: Spans) -> None:
    for at in (299.9, 300.0, 599.9, 600.0):
        spans.record(request(at))
    spans.flush()
    assert [(item.at, item.requests) for item in spans.rollups("acme", 0, 9e9)] == [(0, 1), (300, 2), (600, 1)]
    assert [item.at for item in spans.rollups("acme", 300, 600)] == [300]


def test_what_is_not_kept_apart_is_added_up(spans: Spans) -> None:
    for record in (request(route="a"), request(route="b", status="blocked"), request(route="b", app="other")):
        spans.record(record)
    spans.flush()
    hourly = spans.rollups("acme", 0, 9e9, app="support", grain=Grain(3600, ("status",)))
    assert [(item.at, item.step, item.status, item.requests, item.app) for item in hourly] == [
        (0, 3600, "answered", 1, ""), (0, 3600, "blocked", 1, ""),
    ]  # fmt: skip
    assert hourly[1].blocked == 1
    assert [item.requests for item in spans.rollups("acme", 0, 9e9, environment="prod", grain=Grain(3600, ()))] == [3]


def test_sums_that_no_database_can_hold_do_not_lose_the_request(spans: Spans) -> None:
    for _ in range(9):
        spans.record(request(cost_nano=2**61, latency_us=2**62))
    spans.flush()
    assert spans.dropped == 0
    [rollup] = spans.rollups("acme", 0, 9e9)
    assert rollup.requests == 9
    assert rollup.cost_nano >= 2**52


def made(micros: list[int]) -> Latency:
    bins: dict[int, int] = {}
    for value in micros:
        bins[bin_of(value)] = bins.get(bin_of(value), 0) + 1
    return Latency(pack_bins(bins))


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_within_five_percent(seed: int) -> None:
    chance = random.Random(seed)
    micros = [int(chance.lognormvariate(chance.choice([8, 13]), 1.5)) + 1 for _ in range(5000)]
    shares = (0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
    ranked = sorted(micros)
    exact = [ranked[max(1, math.ceil(share * len(micros))) - 1] for share in shares]
    parts = [made(micros[start : start + 700]) for start in range(0, 5000, 700)]
    for found, real in zip(Latency.total(parts).percentile(*shares), exact, strict=True):
        assert abs(found - real) <= 0.05 * real + 0.5  # half a microsecond, for they are whole ones


def test_percentiles_of_nothing_and_of_extremes() -> None:
    assert Latency().percentile(0.5, 0.99) == [0, 0]
    assert made([0, 1, 1]).percentile(0.5) == [1]
    [largest] = made([2**63 - 1]).percentile(0.5)
    assert abs(largest / (2**63 - 1) - 1) < 0.05
    taken_back = Latency.total([made([10, 1000]), Latency(pack_bins({bin_of(1000): -1}))])
    assert taken_back.percentile(1.0) == made([10]).percentile(1.0)


def test_the_table_stays_small(spans: Spans) -> None:
    """What grows is the number of kinds of requests, not of requests."""
    for number in range(2000):
        spans.record(request(at=number % 300, latency_us=number * 1000))
    spans.flush()
    assert spans._writer is not None
    with spans._writer._groups._engine.connect() as connection:
        found = connection.execute(text("SELECT count(*), sum(length(latency)) FROM rollup")).one()
    assert found[0] == 3
    assert found[1] < 3 * 6 * 80


def test_no_rollups_of_nothing(spans: Spans) -> None:
    assert spans.rollups("acme", 0, 9e9) == list[Rollup]()
