"""A span file of version 1, as the first Headgate wrote it, is brought up to date in place and loses nothing."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, create_engine, inspect, text
from tests.store.recount import recount, shown
from tests.store.test_spans_search import indexed

from headgate.kernel import RequestRecord, Unavailable
from headgate.store import SpanQuery, Spans
from headgate.store.spans import upgrade

OLD = """
CREATE TABLE span_schema (version INTEGER NOT NULL);
CREATE TABLE gap (id {serial}, project_id TEXT NOT NULL, since {double} NOT NULL, until {double} NOT NULL,
  dropped INTEGER NOT NULL, PRIMARY KEY (id));
CREATE TABLE request (project_id TEXT NOT NULL, trace_id TEXT NOT NULL, at {double} NOT NULL, app TEXT NOT NULL,
  environment TEXT NOT NULL, release TEXT NOT NULL, source TEXT NOT NULL, route TEXT NOT NULL, label TEXT NOT NULL,
  model TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, key_id TEXT NOT NULL, session TEXT NOT NULL,
  subject TEXT NOT NULL, input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, cost_nano BIGINT NOT NULL,
  latency_us BIGINT NOT NULL, first_token_us BIGINT NOT NULL, overhead_us BIGINT NOT NULL, attempts BIGINT NOT NULL,
  grounding {double}, blocked_by TEXT NOT NULL, http_status BIGINT NOT NULL, attributes TEXT NOT NULL,
  text TEXT NOT NULL, packed {blob} NOT NULL, payload {blob} NOT NULL, PRIMARY KEY (project_id, trace_id));
CREATE INDEX ix_request_at ON request (project_id, at);
CREATE INDEX ix_request_release ON request (project_id, release, at);
CREATE INDEX ix_request_status ON request (project_id, status, at);
INSERT INTO span_schema (version) VALUES (1);
INSERT INTO gap (project_id, since, until, dropped) VALUES ('acme', 1.0, 2.0, 7)
"""
WORDS = {
    "sqlite": {"serial": "INTEGER NOT NULL", "double": "DOUBLE", "blob": "BLOB"},
    "postgresql": {"serial": "SERIAL", "double": "DOUBLE PRECISION", "blob": "BYTEA"},
}
RECORDS = [
    RequestRecord(
        trace_id=f"{number:032x}", project="acme", at=1000.5 + number * 7, app="support", environment="prod",
        release="sha256:a", source="live", route="default", label="billing", model="m", status="answered", reason="",
        cost_nano=number, latency_us=number * 1000, grounding=0.5 if number % 2 else None,
        stages=({"name": "route", "start_us": 1, "took_us": 2},), attributes={"tier": "gold", "n": number},
        payload={"messages": [{"role": "user", "content": f"Wo ist das Gerät {number}?"}], "answer": "Im LADEN."},
    )
    for number in range(100)
]  # fmt: skip


def old_row(record: RequestRecord) -> dict[str, Any]:
    """Return a row as version 1 wrote it."""

    def pack(value: Any) -> bytes:
        return zlib.compress(json.dumps(value).encode(), 1)

    left_out = {"project", "stages", "payload", "attributes"}
    row = {name: getattr(record, name) for name in record.__struct_fields__ if name not in left_out}
    said = f"{record.payload['messages'][0]['content']}\n{record.payload['answer']}"
    return {
        **row, "project_id": record.project, "text": said.casefold(),
        "attributes": "\x1f" + "".join(f"{name}={value}\x1f" for name, value in record.attributes.items()),
        "packed": pack({"stages": record.stages, "attributes": record.attributes}), "payload": pack(record.payload),
    }  # fmt: skip


def write_old(connection: Connection) -> None:
    for statement in OLD.format(**WORDS[connection.dialect.name]).split(";\n"):
        connection.execute(text(statement))
    rows = [old_row(record) for record in RECORDS]
    names = ", ".join(rows[0])
    marks = ", ".join(f":{name}" for name in rows[0])
    connection.execute(text(f"INSERT INTO request ({names}) VALUES ({marks})"), rows)


@pytest.fixture
def old_url(spans_url: str) -> str:
    """The URL of spans of version 1, on each database."""
    if spans_url.startswith("sqlite"):
        Path(spans_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(spans_url)
    with engine.begin() as connection:
        write_old(connection)
    engine.dispose()
    return spans_url


def test_version_1_is_brought_up_to_date(old_url: str) -> None:
    for _ in range(2):  # the second time there is nothing left to do
        spans = Spans(old_url, writer=True)
        assert spans.find(SpanQuery("acme", limit=999, payload=True)) == RECORDS[::-1]
        assert shown(spans, "acme", 300) == recount(spans, "acme", 300)
        assert sum(item.requests for item in spans.rollups("acme", 0, 9e9)) == 100
        for _ in range(2):
            assert [item.attributes["n"] for item in spans.find(SpanQuery("acme", text="gerat 42"))] == [42]
            assert len(spans.find(SpanQuery("acme", text="laden", attributes={"tier": "gold", "n": "7"}))) == 1
            indexed(spans)
        spans.close()
    reader = Spans(old_url, writer=False)
    assert reader.dropped == 7
    with reader._reads.connect() as connection:
        assert not inspect(connection).has_table("request_1")
    reader.close()


def test_version_2_is_read_as_it_is(spans_url: str) -> None:
    """Version 2 names the parts of each stage, and compresses what is shorter."""
    stage = {"name": "route", "start_us": 1, "took_us": 2, "facts": {"label": "billing"}}
    old, new = replace(RECORDS[1], stages=(stage, stage)), replace(RECORDS[2], stages=(stage,))
    spans = Spans(spans_url, writer=True)
    spans.record(old)
    spans.flush()
    spans.close()
    engine = create_engine(spans_url)
    with engine.begin() as connection:
        packed = json.dumps({"stages": [stage, stage], "attributes": old.attributes}).encode()
        changes = {"packed": packed, "payload": zlib.compress(json.dumps(old.payload).encode(), 1)}
        connection.execute(text("UPDATE request SET packed = :packed, payload = :payload"), changes)
        connection.execute(text("UPDATE span_schema SET version = 2"))
    engine.dispose()
    spans = Spans(spans_url, writer=True)
    spans.record(new)
    spans.flush()
    assert spans.find(SpanQuery("acme", payload=True)) == [new, old]
    assert shown(spans, "acme", 300) == recount(spans, "acme", 300)
    spans.close()


def test_it_goes_on_from_there(old_url: str) -> None:
    spans = Spans(old_url, writer=True)
    spans.record(RECORDS[3])
    spans.flush()
    assert len(spans.find(SpanQuery("acme", limit=999))) == 100
    spans.close()


def test_a_reader_says_who_brings_the_file_up_to_date(old_url: str) -> None:
    reader = Spans(old_url, writer=False)
    with pytest.raises(Unavailable, match="another Headgate"):
        reader.find(SpanQuery("acme"))
    Spans(old_url, writer=True).close()
    assert len(reader.find(SpanQuery("acme", limit=999))) == 100
    reader.close()


def test_an_upgrade_that_breaks_off_changes_nothing(old_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(old: Any) -> Any:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "_renewed", broken)
        with pytest.raises(RuntimeError):
            Spans(old_url, writer=True)
    spans = Spans(old_url, writer=True)
    assert spans.find(SpanQuery("acme", limit=999, payload=True)) == RECORDS[::-1]
    spans.close()
