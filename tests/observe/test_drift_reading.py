"""The pass: every request counts once, whoever reads, whatever dies in between, and however late it comes."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from headgate.measure import CategorySketch
from headgate.observe import catch_up
from headgate.observe.drift import buckets, reading
from headgate.observe.drift.features import Served
from headgate.observe.drift.reference import References, build, find
from headgate.store import Blobs, Records, Secret, Spans, Store, tables
from headgate.testing import FakeClock

from .drifting import PROJECT, Traffic, questions, register

CHAT = {"text": "text"}


@pytest.fixture
def traffic(store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Traffic:
    monkeypatch.setattr(reading, "PAGE", 20)
    return Traffic(store, clock, register(store, questions(200, 2), CHAT, "models/router"))


def usual(count: int, seed: int = 3) -> list[str]:
    return [row["text"] for row in questions(count, seed)]


def stored(traffic: Traffic, feature: str = "text.topic") -> int:
    """Return how many rows the stored sketches of a feature have seen."""
    with traffic.store.records.read() as tx:
        reference = find(tx, traffic.store.blobs, PROJECT, traffic.model)
        served = Served(traffic.model, "support", "prod")
        window = buckets.load(tx, PROJECT, served, reference, 0, traffic.clock.now() + 1e6)
    return window[feature].sketch.rows if window else 0


def read(traffic: Traffic) -> int:
    traffic.store.spans.flush()
    return catch_up(traffic.store, PROJECT, traffic.clock)


def test_each_request_is_read_once(traffic: Traffic) -> None:
    traffic.ask(usual(130))
    assert read(traffic) == 130
    assert read(traffic) == 0
    traffic.ask(usual(7))
    assert read(traffic) == 7
    assert stored(traffic) == 137


def test_a_request_that_comes_late_is_counted_within_ten_minutes(traffic: Traffic) -> None:
    began = traffic.clock.now()
    traffic.ask(usual(50))
    traffic.clock.advance(500)
    traffic.ask(usual(50))
    assert read(traffic) == 100
    traffic.ask(usual(3), at=began + 1)
    assert read(traffic) == 3
    traffic.clock.advance(700)
    traffic.ask(usual(1))
    assert read(traffic) == 1
    traffic.ask(usual(2), at=began + 1)
    assert read(traffic) == 0, "half an hour late is too late"
    assert stored(traffic) == 104


def test_a_clock_that_runs_ahead_hides_nobody_elses_requests(traffic: Traffic) -> None:
    traffic.ask(usual(5), at=traffic.clock.now() + 90)
    assert read(traffic) == 5
    traffic.ask(usual(5))
    assert read(traffic) == 5
    assert stored(traffic) == 10


def test_what_is_remembered_is_bounded(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_SEEN", 30)
    traffic.ask(usual(200))
    assert read(traffic) == 200
    assert read(traffic) == 0
    with traffic.store.records.read() as tx:
        assert len(reading.load_progress(tx, PROJECT, 0.0).seen) == 30


@pytest.mark.parametrize("death", range(1, 6))
def test_a_death_between_pages_counts_nothing_twice_and_loses_nothing(
    traffic: Traffic, death: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass dies inside its n-th page, after the sketches were written and before they are committed."""
    traffic.ask(usual(95))
    traffic.store.spans.flush()
    add, calls = buckets.add, []

    def dying(*arguments: Any) -> None:
        add(*arguments)
        calls.append(1)
        if len(calls) == death:
            raise KeyboardInterrupt

    monkeypatch.setattr(buckets, "add", dying)
    with pytest.raises(KeyboardInterrupt):
        read(traffic)
    monkeypatch.setattr(buckets, "add", add)
    assert stored(traffic) <= 20 * (death - 1)
    read(traffic)
    assert stored(traffic) == stored(traffic, "text.said") == 95


def test_two_processes_that_read_at_once_count_each_request_once(
    records: Records, clock: FakeClock, tmp_path: Any, spans_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 20)
    store = Store(records, Blobs(f"file://{tmp_path / 'blobs'}"), Spans(spans_url, writer=True), Secret(b"s" * 32))
    traffic = Traffic(store, clock, register(store, questions(200, 2), CHAT, "models/router"))
    traffic.ask(usual(200))
    store.spans.flush()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: [catch_up(store, PROJECT, clock) for _ in range(6)], range(3)))
    read(traffic)
    assert stored(traffic) == 200
    store.spans.close()


def test_the_order_of_requests_decides_nothing(traffic: Traffic) -> None:
    texts, base = usual(120), traffic.clock.now()
    traffic.ask(texts)
    read(traffic)
    traffic.clock.advance(86_400 - (traffic.clock.now() - base))
    random.Random(0).shuffle(texts)
    for at in range(0, 120, 17):
        traffic.ask(texts[at : at + 17])
        read(traffic)
    with traffic.store.records.read() as tx:
        reference = find(tx, traffic.store.blobs, PROJECT, traffic.model)
        served, now = Served(traffic.model, "support", "prod"), traffic.clock.now()
        windows = [
            buckets.load(tx, PROJECT, served, reference, since, since + 7200) for since in (base - 60, now - 3600)
        ]
    assert windows[0].keys() == windows[1].keys()
    for name, bucket in windows[0].items():
        other = windows[1][name].sketch
        assert other.rows == bucket.sketch.rows == 120
        if isinstance(bucket.sketch, CategorySketch):
            assert isinstance(other, CategorySketch)
            assert other.counts == bucket.sketch.counts
        else:
            assert not isinstance(other, CategorySketch)
            assert other.quantiles([0.1, 0.5, 0.9]) == bucket.sketch.quantiles([0.1, 0.5, 0.9])


def test_old_buckets_become_hours_and_very_old_ones_go(traffic: Traffic) -> None:
    for _ in range(8):
        traffic.ask(usual(10))
        traffic.clock.advance(400)
    read(traffic)
    assert _buckets(traffic) >= 8
    traffic.clock.advance(3 * 86_400)
    read(traffic)
    assert _buckets(traffic) <= 3
    assert stored(traffic) == 80, "nothing is lost when buckets are merged"
    traffic.clock.advance(40 * 86_400)
    read(traffic)
    assert _buckets(traffic) == 0


def _buckets(traffic: Traffic) -> int:
    table = tables.drift_bucket
    with traffic.store.records.read() as tx:
        row = tx.one(select(func.count()).select_from(table).where(table.c.feature == "text.topic"))
    assert row is not None
    return int(next(iter(row.values())))


def test_sketches_stay_small_and_hold_no_text(traffic: Traffic) -> None:
    secret = "the zebra crossed my private garden at midnight"
    traffic.ask([f"{secret} {text}" for text in usual(500)])
    read(traffic)
    table = tables.drift_bucket
    with traffic.store.records.read() as tx:
        contents = [bytes(row["content"]) for row in tx.all(select(table.c.content))]
    assert max(map(len, contents)) < 64_000
    assert not any(secret.encode() in content or b"my private garden" in content for content in contents)


def test_a_reference_is_made_once_and_kept(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    traffic.ask(usual(30))
    read(traffic)

    def never(*_: Any) -> None:
        raise AssertionError("it was made again")

    monkeypatch.setattr("headgate.observe.drift.reference.build", never)
    traffic.ask(usual(30))
    assert read(traffic) == 30
    with traffic.store.records.read() as tx:
        kept = References(tx, traffic.store.blobs, PROJECT, {}, {}).get(traffic.model)
        assert kept is not None
        made = build(tx, traffic.store.blobs, PROJECT, traffic.model)
    assert kept.features == made.features
    assert kept.topics["text"].names == made.topics["text"].names
    assert kept.path == "models/router"


def test_a_reference_of_another_version_is_made_again(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    traffic.ask(usual(30))
    read(traffic)
    monkeypatch.setattr("headgate.observe.drift.reference.BEHAVIOUR", 99)
    traffic.ask(usual(30))
    read(traffic)
    table = tables.drift_reference
    with traffic.store.records.read() as tx:
        assert [row["behaviour"] for row in tx.all(select(table.c.behaviour))] == [99]
