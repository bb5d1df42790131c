"""Every store keeps the same promises, whatever it is built on: a new URL below is tested before its author writes one.

Records and spans: SQLite in a file and in memory, PostgreSQL. Blobs: a folder, memory and a bucket.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from headgate.kernel import Exhausted, NotFound, RequestRecord
from headgate.store import Blobs, Hold, Limit, Records, SpanQuery, Spans, audit, jobs, ledger, tables

RECORDS = {"file": "sqlite:///{folder}/records.db", "memory": "sqlite://", "postgresql": "{postgres}"}
SPANS = {"file": "sqlite:///{folder}/spans.db", "memory": "sqlite://", "postgresql": "{postgres}"}
BLOBS = {"folder": "{folder}/blobs", "file URL": "file://{folder}/blobs", "memory": "memory://", "bucket": "{bucket}"}


def address(pattern: str, request: pytest.FixtureRequest, folder: Path) -> str:
    postgres = request.getfixturevalue("postgres_url") if "{postgres}" in pattern else ""
    return pattern.format(folder=folder, postgres=postgres)


@pytest.fixture(params=RECORDS.values(), ids=list(RECORDS))
def any_records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Records]:
    opened = Records(address(request.param, request, tmp_path))
    opened.migrate()
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture(params=SPANS.values(), ids=list(SPANS))
def any_spans(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Spans]:
    opened = Spans(address(request.param, request, tmp_path), writer=True)
    yield opened
    opened.close()


@pytest.fixture(params=BLOBS.values(), ids=list(BLOBS))
def any_blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "{bucket}":
        place = request.getfixturevalue("place")
        return Blobs(place.url, place.bucket)
    return Blobs(address(request.param, request, tmp_path))


def test_a_change_and_everything_it_writes_is_one_transaction(any_records: Records) -> None:
    """A row, its audit entry, a reservation and a job: all are there, or none."""

    def act(name: str, amount: int) -> None:
        with any_records.begin() as tx:
            tx.execute(insert(tables.project).values(id=name, created_at=1))
            jobs.enqueue(tx, "acme", id=name, operation="x", arguments={}, person="person_a", now=1)
            audit.append(tx, project="acme", at=1, actor="person_a", action="x", target=name, detail={})
            hold = Hold(name, Limit("key:a", "cost", "2026-01-01", 10), amount)
            ledger.reserve(tx, "acme", [hold], now=1, lease_s=60)

    act("one", 7)
    with pytest.raises(Exhausted):
        act("two", 7)
    act("three", 3)
    with any_records.read() as tx:
        assert [row["id"] for row in tx.all(select(tables.project).order_by(tables.project.c.id))] == ["one", "three"]
        assert audit.verify(tx, "acme") == audit.AuditReport(True, 2)
        assert ledger.balance(tx, "acme", "key:a", "cost", "2026-01-01").reserved == 10
        assert jobs.get(tx, "acme", "three").state == "queued"
        with pytest.raises(NotFound):
            jobs.get(tx, "acme", "two")


def test_two_racing_promoters_one_wins(any_records: Records) -> None:
    """The compare-and-swap on an environment's generation that promotion rests on (decision 16, P6)."""
    table = tables.environment
    start = {"project_id": "acme", "app": "support", "name": "prod", "generation": 0}
    with any_records.begin() as tx:
        tx.execute(insert(table).values(**start))
    won: list[tuple[int, str]] = []

    def promote(release: str) -> None:
        for generation in range(10):
            with any_records.begin() as tx:
                moved = tx.execute(
                    update(table)
                    .where(table.c.app == "support", table.c.generation == generation)
                    .values(generation=generation + 1, stable=release)
                )
                if moved.rowcount == 1:
                    won.append((generation, release))

    racers = [threading.Thread(target=promote, args=(name,)) for name in ("a", "b", "c")]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(generation for generation, _ in won) == list(range(10))


def test_a_request_is_recorded_once_and_found(any_spans: Spans) -> None:
    record = RequestRecord(
        "1" * 32, "acme", 5.0, "support", "prod", "r", "live", "default", "billing", "m", "answered", "",
        stages=({"name": "route"},), payload={"answer": "Zehn Tage"}, attributes={"channel": "chat"},
    )  # fmt: skip
    any_spans.record(record)
    any_spans.record(record)
    any_spans.flush()
    assert any_spans.get("acme", record.trace_id) == record
    query = SpanQuery("acme", text="zehn", attributes={"channel": "chat"}, payload=True)
    assert any_spans.find(query) == [record]
    [seen] = any_spans.window("acme", "support", "prod", 0, 6)
    assert (seen.stages, seen.payload) == (record.stages, {})
    assert any_spans.dropped == 0


def test_bytes_come_back_under_their_digest(any_blobs: Blobs) -> None:
    digest = any_blobs.put(b"page")
    assert any_blobs.put(b"page") == digest
    assert any_blobs.has(digest)
    assert any_blobs.get(digest) == b"page"
    with pytest.raises(NotFound):
        any_blobs.get("sha256:" + "0" * 64)
