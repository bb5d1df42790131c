"""Spans: one row a request, written in groups by one process, found again on both databases (P2, P3, P13)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from headgate.kernel import Conflict, InvalidInput, RequestRecord, Unavailable, new_trace_id
from headgate.store import SpanQuery, Spans
from headgate.store.spans import writer as span_writer

FULL = RequestRecord(
    trace_id="0" * 31 + "1", project="acme", at=1000.25, app="support", environment="prod",
    release="sha256:" + "a" * 64, source="live", route="default", label="billing",
    model="openai/gpt-5-mini", status="answered", reason="said so",
    key_id="key_1", session="s1", subject="5ab", input_tokens=10, output_tokens=20, cost_nano=2**60, latency_us=5,
    first_token_us=4, overhead_us=3, attempts=2, grounding=0.75, blocked_by="", http_status=200,
    stages=({"name": "route", "start_us": 1, "took_us": 2, "facts": {"label": "billing"}}, {"name": "generate"}),
    payload={"messages": [{"role": "user", "content": "Wo ist mein Gerät? 100% \\_"}], "answer": "Im Laden ✓ [1]"},
    attributes={"channel": "chat", "vip": True, "score": 0.5, "finish_reason": "stop"},
)  # fmt: skip


def record(number: int = 0, **changes: Any) -> RequestRecord:
    return replace(FULL, **{"trace_id": new_trace_id(), "at": 1000.0 + number, **changes})


@pytest.fixture
def spans(spans_url: str) -> Iterator[Spans]:
    """A writer, once on each database."""
    opened = Spans(spans_url, writer=True)
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/spans/spans.db"


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_texts_that_a_model_was_asked_are_found(spans: Spans) -> None:
    payload = {"rows": [{"text": "Where is my Tablet?", "age": 3.5, "note": None}], "predictions": []}
    asked = record(1, payload=payload, route="infer")
    spans.record(asked)
    spans.record(record(2))
    spans.flush()
    assert [item.trace_id for item in spans.find(SpanQuery("acme", text="tablet"))] == [asked.trace_id]


def test_a_record_comes_back_whole(spans: Spans) -> None:
    bare = RequestRecord("f" * 32, "acme", 1.0, "", "", "", "", "", "", "", "", "")
    for given in (FULL, bare):
        spans.record(given)
    spans.flush()
    assert spans.get("acme", FULL.trace_id) == FULL
    assert spans.get("acme", bare.trace_id) == bare
    assert spans.get("acme", "f" * 12) == bare
    assert spans.get("acme", "e" * 32) is None


def test_stages_of_any_form_come_back_whole(spans: Spans) -> None:
    ours: dict[str, Any] = {"name": "route", "start_us": 1, "took_us": 2, "facts": {"label": ["a", {"b": 1}]}}
    other = {"name": "route", "start_us": 1, "took_us": 2, "note": "4 things, not ours"}
    cases: list[tuple[dict[str, Any], ...]] = [
        (ours, ours), (ours, other), (other, ours), (ours, {**ours, "more": None}), ({}, {"facts": {}}), (),
    ]  # fmt: skip
    for stages in cases:
        given = record(stages=stages)
        spans.record(given)
        spans.flush()
        assert spans.get("acme", given.trace_id) == given


def test_an_ambiguous_beginning_names_nothing(spans: Spans) -> None:
    for last in "12":
        spans.record(record(trace_id="ab" * 15 + "0" + last))
    spans.flush()
    assert spans.get("acme", "ab" * 15) is None


def test_a_record_is_readable_by_others_within_50_ms_without_flush(spans: Spans, spans_url: str) -> None:
    reader = Spans(spans_url, writer=False)
    spans.record(FULL)
    spans.flush()
    given = record()
    spans.record(given)
    began = time.monotonic()
    wait_for(lambda: reader.get("acme", given.trace_id) is not None)
    assert time.monotonic() - began < 1  # 50 ms on an idle machine
    reader.close()


def test_projects_do_not_see_each_other(spans: Spans) -> None:
    spans.record(FULL)
    spans.flush()
    assert spans.get("other", FULL.trace_id) is None
    assert spans.find(SpanQuery("other")) == []
    assert spans.window("other", "support", "prod", 0, 9e9) == []


FINDS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "everything, newest first": ({}, [3, 2, 1, 0]),
    "limit": ({"limit": 2}, [3, 2]),
    "app": ({"app": "other"}, [1]),
    "environment": ({"environment": "staging"}, [2]),
    "release": ({"release": "sha256:" + "b" * 64}, [3]),
    "route": ({"route": "smalltalk"}, [0]),
    "status": ({"status": "blocked"}, [1]),
    "source": ({"source": "evaluation"}, [2]),
    "since is included": ({"since": 1002.0}, [3, 2]),
    "until is not": ({"until": 1002.0}, [1, 0]),
    "text, whatever its case": ({"text": "ROAMING in éire"}, [3]),
    "text of the answer": ({"text": "laden ✓"}, [2, 1, 0]),
    "wildcards are text": ({"text": "100% \\_"}, [2, 1, 0]),
    "a wildcard alone": ({"text": "_%_"}, []),
    "attribute": ({"attributes": {"channel": "email"}}, [3]),
    "attribute of another sort": ({"attributes": {"vip": "true", "score": "0.5"}}, [2, 1, 0]),
    "a column as attribute": ({"attributes": {"label": "billing", "blocked_by": "pii"}}, [1]),
    "half an attribute": ({"attributes": {"channel": "emai"}}, []),
    "attribute that is nowhere": ({"attributes": {"no": "such"}}, []),
    "all at once": ({"app": "support", "status": "answered", "text": "gerät", "since": 1001.0}, [2]),
}


@pytest.fixture
def four(spans: Spans) -> Spans:
    for given in (
        record(0, route="smalltalk"),
        record(1, app="other", status="blocked", blocked_by="pii"),
        record(2, environment="staging", source="evaluation"),
        record(
            3,
            release="sha256:" + "b" * 64,
            payload={"messages": [{"role": "user", "content": [{"type": "text", "text": "Roaming in ÉIRE?"}]}]},
            attributes={"channel": "email"},
        ),
    ):
        spans.record(given)
    spans.flush()
    return spans


def test_requests_are_found(four: Spans) -> None:
    found = {
        name: [int(item.at - 1000) for item in four.find(SpanQuery("acme", **query))]
        for name, (query, _) in FINDS.items()
    }
    assert found == {name: expected for name, (_, expected) in FINDS.items()}


def test_payloads_come_only_when_asked_for(four: Spans) -> None:
    [without] = four.find(SpanQuery("acme", limit=1))
    [whole] = four.find(SpanQuery("acme", limit=1, payload=True))
    assert without.payload == {}
    assert whole.payload["messages"][0]["content"][0]["text"] == "Roaming in ÉIRE?"
    assert without == replace(whole, payload={})


def test_a_window_is_oldest_first_and_of_one_environment(four: Spans) -> None:
    for number in range(10, 70):
        four.record(record(number))
    four.flush()
    found = four.window("acme", "support", "prod", 1003, 1065)
    assert [int(item.at - 1000) for item in found] == [3, *range(10, 65)]
    assert {str(item.payload) for item in found} == {"{}"}
    assert [int(item.at) for item in four.window("acme", "support", "staging", 0, 9e9, "evaluation")] == [1002]


def test_the_same_trace_twice_is_one_row(spans: Spans) -> None:
    spans.record(FULL)
    spans.record(replace(FULL, status="error"))
    spans.flush()
    spans.record(FULL)
    spans.flush()
    assert [item.status for item in spans.find(SpanQuery("acme"))] == ["answered"]
    assert spans.dropped == 0


def test_odd_values_neither_stop_the_writer_nor_hide_a_request(spans: Spans) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    odd = record(
        reason="a\0b\ud800", payload={"answer": "x\ud800\0y", "n": 2**80, "o": Odd()},
        attributes={"k\x1f": "v\x1f", "nan": float("inf"), "odd": Odd()},
    )  # fmt: skip
    spans.record(odd)
    spans.record(record(1, cost_nano=2**70))  # no database can hold it
    spans.record(record(1, attributes=None))
    spans.record(record(1, project="a\0", at=float("nan"), attributes=None))
    spans.flush()
    fine = record(2)
    spans.record(fine)
    spans.flush()
    found = spans.get("acme", odd.trace_id)
    assert found is not None
    assert found.reason == "a\ufffdb?"
    assert found.payload["answer"] == "x?\ufffdy"
    assert found.payload["o"] == "odd"
    assert spans.get("acme", fine.trace_id) == fine
    assert spans.dropped == 3
    assert [item.trace_id for item in spans.find(SpanQuery("acme", text="x?"))] == [odd.trace_id]


def test_many_threads_record_and_nothing_is_lost(spans: Spans) -> None:
    def work(number: int) -> None:
        for index in range(200):
            spans.record(record(number * 1000 + index))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans.flush()
    assert len(spans.find(SpanQuery("acme", limit=2000))) == 800
    assert spans.dropped == 0


def test_closing_writes_what_waits(spans_url: str) -> None:
    spans = Spans(spans_url, writer=True)
    for number in range(50):
        spans.record(record(number))
    spans.close()
    spans.record(record())
    assert spans.dropped == 1
    reader = Spans(spans_url, writer=False)
    assert len(reader.find(SpanQuery("acme", limit=99))) == 50
    reader.close()


def test_a_reader_writes_nothing(file: str, tmp_path: Path) -> None:
    reader = Spans(file, writer=False)
    assert reader.find(SpanQuery("acme")) == []
    assert reader.get("acme", FULL.trace_id) is None
    reader.record(FULL)
    assert reader.dropped == 1
    assert not (tmp_path / "spans").exists()
    Spans(file, writer=True).close()
    assert reader.find(SpanQuery("acme")) == []
    with reader._reads.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("DELETE FROM request"))
    reader.close()


def test_only_one_process_writes_a_folder(file: str) -> None:
    first = Spans(file, writer=True)
    with pytest.raises(Conflict) as problem:
        Spans(file, writer=True)
    assert problem.value.code == "writer_lock"
    assert f"process {os.getpid()} holds" in problem.value.hint
    script = (
        "import sys; from headgate.kernel import Conflict; from headgate.store import Spans\n"
        "try: Spans(sys.argv[1], writer=True)\n"
        "except Conflict as problem: print(problem.hint)"
    )
    run = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True, check=True)
    assert f"process {os.getpid()} holds" in run.stdout
    reader = Spans(file, writer=False)
    reader.close()
    first.close()
    Spans(file, writer=True).close()


def test_the_lock_ends_with_its_process(file: str) -> None:
    script = "import os, sys; from headgate.store import Spans; Spans(sys.argv[1], writer=True); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", script, file], check=False).returncode == 9
    Spans(file, writer=True).close()


def test_the_file_is_used_safely(file: str, tmp_path: Path) -> None:
    spans = Spans(file, writer=True)
    spans.record(FULL)
    spans.flush()
    assert spans._writer is not None
    with spans._writer._groups._engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
    assert spans._writer._groups._engine.pool.size() == 1  # type: ignore[attr-defined]
    spans.close()
    assert oct((tmp_path / "spans" / "writer.lock").stat().st_mode & 0o777) == "0o600"


def test_spans_of_a_newer_headgate_are_left_alone(spans_url: str) -> None:
    spans = Spans(spans_url, writer=True)
    assert spans._writer is not None
    with spans._writer._groups._engine.begin() as connection:
        connection.execute(text("UPDATE span_schema SET version = 99"))
    spans.close()
    with pytest.raises(Conflict, match="newer"):
        Spans(spans_url, writer=True)


def test_more_than_the_queue_holds_is_dropped_counted_and_marked(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is blocked the queue fills; memory stays bounded, and the gap can be seen afterwards."""
    monkeypatch.setattr(span_writer, "CAPACITY", 30)
    spans = Spans(file, writer=True)
    blocker = sqlite3.connect(file.removeprefix("sqlite:///"), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    for number in range(50):
        spans.record(record(number))
    assert time.monotonic() - began < 1
    assert spans.dropped == 20
    blocker.execute("ROLLBACK")
    blocker.close()
    spans.flush()
    spans.record(record(99))
    spans.flush()
    assert len(spans.find(SpanQuery("acme", limit=99))) == 31
    reader = Spans(file, writer=False)
    assert reader.dropped == 20
    with closing(sqlite3.connect(file.removeprefix("sqlite:///"))) as look:
        gaps = look.execute("SELECT project_id, since, until, dropped FROM gap").fetchall()
    assert gaps == [("acme", 1030.0, 1049.0, 20)]
    reader.close()
    spans.close()


def test_requests_that_wait_take_bounded_memory_however_long_they_are(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_writer, "WEIGHT", 100_000)
    spans = Spans(file, writer=True)
    with closing(sqlite3.connect(file.removeprefix("sqlite:///"), isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        for number in range(50):
            spans.record(record(number, payload={"answer": f"{number} " * 5_000}))
        assert 40 <= spans.dropped < 50
        blocker.execute("ROLLBACK")
    spans.flush()
    spans.record(record(99))
    spans.flush()
    assert len(spans.find(SpanQuery("acme", limit=99))) == 51 - spans.dropped
    spans.close()


def test_records_wait_while_the_database_is_gone(postgres_url: str, postgres: Any) -> None:
    name = make_url(postgres_url).database
    spans = Spans(postgres_url, writer=True)
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    for number in range(20):
        spans.record(record(number))
    assert spans._writer is not None
    with pytest.raises(Unavailable, match="cannot be written"):
        spans._writer.flush(0.3)
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    spans.flush()
    assert len(spans.find(SpanQuery("acme"))) == 20
    assert spans.dropped == 0
    spans.close()


def test_several_processes_write_postgresql(postgres_url: str) -> None:
    writers = [Spans(postgres_url, writer=True) for _ in range(3)]
    for number, spans in enumerate(writers):
        spans.record(record(number))
        spans.close()
    reader = Spans(postgres_url, writer=False)
    assert len(reader.find(SpanQuery("acme"))) == 3
    reader.close()


BROKEN = """
import resource, sys
from headgate.kernel import RequestRecord, Unavailable, new_trace_id
from headgate.store import Spans
spans = Spans(sys.argv[1], writer=True)
def add():
    record = RequestRecord(new_trace_id(), "acme", 1.0, "", "", "", "", "", "", "", "", "", payload={"answer": "x"})
    spans.record(record)
    try:
        spans.flush()
        return "ok"
    except Unavailable as problem:
        return str(problem)
print(add())
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
print(add())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(add(), spans.dropped)
"""


def test_after_an_io_error_nothing_is_acknowledged(file: str) -> None:
    run = subprocess.run([sys.executable, "-c", BROKEN, file], capture_output=True, text=True, check=True)
    first, second, third = run.stdout.splitlines()
    assert first == "ok"
    assert "disk I/O error" in second
    assert "disk I/O error" in third
    assert third.endswith(" 2")
    reader = Spans(file, writer=False)
    assert len(reader.find(SpanQuery("acme"))) == 1
    reader.close()


def test_memory_works_like_a_file() -> None:
    spans = Spans("sqlite://", writer=True)
    spans.record(FULL)
    spans.flush()
    assert spans.get("acme", FULL.trace_id) == FULL
    spans.close()


def test_other_addresses_are_refused() -> None:
    with pytest.raises(InvalidInput):
        Spans("mysql://host/name", writer=True)
