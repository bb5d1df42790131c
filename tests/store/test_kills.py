"""P1, P3: what was acknowledged survives `kill -9` at any moment; what was not is absent or whole, never half."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from tests import forked
from tests.store.recount import recount, shown

from headgate.store import STEPS, Blobs, Records, SpanQuery, Spans, tables

KILLS = 15

RECORDS = """
import os, sys, threading
from sqlalchemy import insert
from headgate.store import Records, tables
records, turn = Records(sys.argv[1]), sys.argv[2]
def work(writer):
    number = 0
    while True:
        number += 1
        name = f"{turn}-{writer}-{number}"
        with records.begin() as tx:
            for half in "ab":
                tx.execute(insert(tables.project).values(id=f"{name}{half}", created_at=number))
        os.write(1, f"{name}\\n".encode())  # one write: three threads say so at once
for writer in range(3):
    threading.Thread(target=work, args=(writer,)).start()
"""
SPANS = """
import sys
from headgate.kernel import RequestRecord
from headgate.store import Spans
spans, turn = Spans(sys.argv[1], writer=True), sys.argv[2]
number = 0
while True:
    group = []
    for _ in range(7):
        number += 1
        group.append(f"{turn}-{number}")
        spans.record(RequestRecord(group[-1], "acme", number, "", "", "", "", "", "", "", "", "",
                                   payload={"answer": "x" * 500}))
    spans.flush()
    print("\\n".join(group), flush=True)
"""
BLOBS = """
import sys
from headgate.store import Blobs
blobs, turn = Blobs(sys.argv[1]), sys.argv[2]
number = 0
while True:
    number += 1
    print(blobs.put(f"{turn}-{number}".encode() * 20_000), flush=True)
"""


@pytest.fixture(scope="module")
def origin() -> Iterator[forked.Origin]:
    with forked.forking("headgate.store", "headgate.kernel") as found:
        yield found


def killed_at_random(origin: forked.Origin, script: str, url: str, turn: int, chance: random.Random) -> list[str]:
    """Run a writer, kill it some time after its first acknowledgement, and return everything it acknowledged."""
    writer = origin.start(script, url, str(turn))
    first = writer.stdout.readline()
    time.sleep(chance.random() * 0.15)
    writer.kill()
    lines = (first + writer.communicate()).split("\n")
    assert writer.wait() == -9
    return [line for line in lines[:-1] if line]


@pytest.mark.slow
def test_acknowledged_records_survive_kills(records: Records, origin: forked.Origin) -> None:
    chance, acknowledged = random.Random(1), set[str]()
    for turn in range(KILLS):
        acknowledged.update(killed_at_random(origin, RECORDS, records.url, turn, chance))
        with records.read() as tx:
            stored = Counter(row["id"][:-1] for row in tx.all(select(tables.project.c.id)))
        assert acknowledged <= set(stored)
        assert set(stored.values()) == {2}
    assert len(acknowledged) > KILLS
    if records.dialect == "sqlite":
        connection = sqlite3.connect(records.url.removeprefix("sqlite:///"))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()


@pytest.mark.slow
def test_acknowledged_spans_survive_kills(spans_url: str, origin: forked.Origin) -> None:
    chance, acknowledged = random.Random(2), set[str]()
    for turn in range(KILLS):
        acknowledged.update(killed_at_random(origin, SPANS, spans_url, turn, chance))
        reader = Spans(spans_url, writer=False)
        stored = Counter(item.trace_id for item in reader.find(SpanQuery("acme", limit=10**6, payload=True)))
        assert shown(reader, "acme", 300) == recount(reader, "acme", 300)
        reader.close()
        assert acknowledged <= set(stored)
        assert set(stored.values()) == {1}
    assert len(acknowledged) > KILLS
    if spans_url.startswith("sqlite"):
        connection = sqlite3.connect(spans_url.removeprefix("sqlite:///"))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()


@pytest.mark.slow
def test_acknowledged_blobs_survive_kills(tmp_path: Path, origin: forked.Origin) -> None:
    chance, acknowledged = random.Random(3), set[str]()
    for turn in range(KILLS):
        acknowledged.update(killed_at_random(origin, BLOBS, str(tmp_path), turn, chance))
    blobs = Blobs(str(tmp_path))
    assert len(acknowledged) > KILLS
    for digest in acknowledged:
        blobs.get(digest)
    named = {file.name for file in tmp_path.rglob("*") if file.is_file() and len(file.name) == 64}
    for name in named:  # what was not acknowledged is whole too, or not there under its name
        blobs.get(f"sha256:{name}")


RECEIVED = """
import os, sys, threading
from headgate.kernel import SpanRecord
from headgate.store import Spans
spans, turn = Spans(sys.argv[1], writer=True), int(sys.argv[2])
def send(sender):
    number = 0
    while True:
        number += 1
        trace = f"{turn:08x}{sender:08x}{number // 3:016x}"  # a trace comes in three batches
        batch = [
            SpanRecord("acme", trace, f"{number:08x}{index:08x}", "", "n", "k", 1000.0 + number, 5 + index, "ok",
                       service="shop", input_tokens=1, cost_nano=2, payload={"answer": "x" * 300})
            for index in range(5)
        ]
        spans.ingest(batch)
        spans.ingest(batch[:2])  # sent again, as after an answer that was lost
        os.write(1, "".join(f"{trace} {span.span_id}\\n" for span in batch).encode())  # one write: two threads say so
for sender in range(2):
    threading.Thread(target=send, args=(sender,)).start()
"""


@pytest.mark.slow
def test_acknowledged_foreign_spans_survive_kills_exactly_once(spans_url: str, origin: forked.Origin) -> None:
    """P3; and what they come to, per trace and per bucket, equals a count of them."""
    chance, acknowledged = random.Random(4), set[str]()
    for turn in range(2 * KILLS):
        acknowledged.update(killed_at_random(origin, RECEIVED, spans_url, turn, chance))
    reader = Spans(spans_url, writer=False)
    traces = reader.find(SpanQuery("acme", limit=10**6))
    stored = Counter[str]()
    for trace in traces:
        spans = reader.spans_of("acme", trace.trace_id)
        stored.update(f"{span.trace_id} {span.span_id}" for span in spans)
        sums = (trace.attributes["spans"], trace.input_tokens, trace.cost_nano)
        assert sums == (len(spans), len(spans), 2 * len(spans))
    assert acknowledged <= set(stored)
    assert set(stored.values()) == {1}
    assert len(acknowledged) > 2 * KILLS
    for step in STEPS:
        assert shown(reader, "acme", step) == recount(reader, "acme", step)
    reader.close()
