"""What recording one request of the gateway costs in µs of CPU, whole and by part, beside a bare INSERT of its bytes.

python benchmarks/bench_recording.py [--rate 3000] [--seconds 4] [--json]

Whole: requests come at a steady rate on one core and are recorded as `execute` does it; CPU is the process's own, less
that of the same loop without recording. Parts: the same functions, called one after the other on groups of the size
that the rate gives. The limit is one `executemany` of the same rows into a table without an index, committed as often.
The index of words is kept behind and can wait; it is shown apart. A request that is not found afterwards voids the run.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from headgate.kernel import Request, RequestRecord, Stage, SystemClock, Usage, Verdict, new_span_id, new_trace_id
from headgate.models import Providers
from headgate.serve import Runtime, Snapshot
from headgate.serve.journey import Journey
from headgate.serve.record import record
from headgate.store import SpanQuery, Spans
from headgate.store.spans import table, word_index
from headgate.store.spans.inserting import Insert
from headgate.store.spans.opening import writing
from headgate.store.spans.rollup import Tally
from headgate.store.spans.upgrade import prepare
from headgate.store.spans.writer import GROUP_S

QUESTION = "Summarise the following text for a busy reader and answer the question at the end in one sentence. " * 10
ANSWER = "The text says that order %d left the warehouse and arrives on Friday; nothing needs to be done."
PROJECT = "bench"
MESSAGES = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]


class Kept:
    """A recorder that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[RequestRecord] = []

    def record(self, record: RequestRecord) -> None:
        self.records.append(record)


def journeys(count: int, recorder: Any) -> Iterator[tuple[Journey, Any]]:
    """Yield requests at their end, as the gateway has them: guards, a route, a budget, one call. No two are alike."""
    runtime = Runtime(Providers({}), recorder, SystemClock(), environment="prod", project=PROJECT)
    facts = SimpleNamespace(
        digest="sha256:" + "a1" * 32, app="bench", unscrubbed=frozenset[str](), router=None, models={}
    )
    for number in range(count):
        text = f"{QUESTION}{number}"
        body = {"model": "bench", "messages": [{"role": "user", "content": text}]}
        request = Request(new_trace_id(), body, key_id="key_0123456789abcdefghijkl", session=f"session-{number // 4}")
        journey = Journey(cast(Snapshot, facts), request, runtime)
        journey.masked, journey.model, journey.attempts, journey.cost_nano = True, "mock/gpt-4o-mini", 1, 96_000
        journey.usage = Usage(240, 18)
        journey.verdicts = tuple(Verdict(name, "input", "pass") for name in ("pii", "injection"))
        passed = {"pii": "pass", "injection": "pass"}
        attempt = {"target": "mock/gpt-4o-mini", "outcome": "answered", "took_us": 700 + number % 900}
        journey.stages = [
            Stage("guard_input", 4, 61, {"verdicts": passed}), Stage("contract", 66, 3, {}),
            Stage("route", 70, 2, {"route": "default"}),
            Stage("fit", 73, 14, {"prompt": "prompts/answer", "tokens": 231}),
            Stage("reserve", 88, 9, {"bound_nano": 1_100_000}), Stage("generate", 98, 840, {"attempts": [attempt]}),
            Stage("guard_output", 939, 22, {"verdicts": {"secrets": "pass", "pii": "pass"}}),
        ]  # fmt: skip
        journey.released.append(ANSWER % number)
        yield journey, journey.answer()


def steady(rate: int, count: int, one: Callable[[], object], rest: Callable[[], object]) -> float:
    """Call `one` at a rate, then `rest`; return the CPU seconds of this process."""
    began, cpu, done = time.perf_counter(), time.process_time(), 0
    while done < count:
        due = min(int((time.perf_counter() - began) * rate) + 1, count)
        for _ in range(due - done):
            one()
        done = due
        time.sleep(0.002)
    rest()
    return time.process_time() - cpu


def busy(rate: int, count: int, one: Callable[[], object], rest: Callable[[], object]) -> float:
    """The same without a pause: between requests, Python works as hard as a server at its limit, on other things."""
    cpu = time.process_time()
    for _ in range(count):
        one()
        for step in range(250_000_000 // rate // 35_000):
            json.dumps(MESSAGES[step % 2])
    rest()
    return time.process_time() - cpu


def whole(folder: Path, rate: int, seconds: float) -> dict[str, float]:
    """Return µs of CPU per request: all of recording until it is on disk, and the index of words after that."""
    count = int(rate * seconds)
    spans = Spans(f"sqlite:///{folder}/whole.db", writer=True)
    calm(spans, indexing=False)
    for journey, answer in journeys(200, spans):
        record(journey, answer)
    spans.flush()
    took = {}
    for title, load in (("whole, steady", steady), ("whole, beside a busy server", busy)):
        ended = journeys(count, spans)
        idle = load(rate, count, lambda ended=ended: next(ended), lambda: None)
        ended = journeys(count, spans)
        used = load(rate, count, lambda ended=ended: record(*next(ended)), spans.flush)
        took[title] = (used - idle) / count * 1e6
    found = len(spans.find(SpanQuery(PROJECT, limit=2 * count + 300)))
    if found != 2 * count + 200 or spans.dropped:
        raise SystemExit(f"only {found} of {2 * count + 200} requests are there: the run is void")
    cpu = time.process_time()
    calm(spans, indexing=True)
    while waiting(folder / "whole.db"):
        time.sleep(0.05)
    behind = time.process_time() - cpu
    spans.close()
    return took | {"index of words, behind": behind / found * 1e6}


def calm(spans: Spans, indexing: bool) -> None:
    """Have the writer index rows, or not yet."""
    store = cast(Any, spans)._writer._groups
    if indexing:
        del store.catch_up
        cast(Any, spans)._writer._behind = True
        cast(Any, spans)._writer._wake.set()
    else:
        store.catch_up = lambda most: False


def waiting(file: Path) -> int:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM unindexed").fetchone()[0])
    finally:
        connection.close()


class Parts:
    """CPU time by part, on this thread."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        began = time.thread_time_ns()
        found = work()
        self.took[name] = self.took.get(name, 0.0) + (time.thread_time_ns() - began) / 1000
        return found


def parts(folder: Path, count: int, size: int) -> dict[str, float]:
    """Return µs of CPU per request of each part, in groups of `size`."""
    took, kept = Parts(), Kept()
    ended = journeys(count, kept)
    took("ids (a trace id and a span id)", lambda: [(new_trace_id(), new_span_id()) for _ in range(count)])
    engine = writing(folder / "parts.db")
    prepare(engine, f"sqlite:///{folder}/parts.db")
    insert, tally = Insert(table.request, ("project_id", "trace_id"), "sqlite", again=table.renumbered), Tally("sqlite")
    rows: list[Any] = []
    for _ in range(0, count, size):
        kept.records.clear()
        done = list(islice(ended, size))
        took("build the record", lambda done=done: [record(*item) for item in done])
        group = list(kept.records)
        drafts = took("encode", lambda group=group: [table.drafted(item) for item in group])
        made = took("fold the words, compress", lambda drafts=drafts: [table.finished(item) for item in drafts])
        rows.extend(made)
        with engine.connect() as connection:
            connection.begin()
            took("insert", lambda made=made: insert(connection, made))
            took("roll up", lambda made=made: tally.add(made))
            took("write roll-ups", lambda: tally.write(connection))
            took("note for the index", lambda made=made: word_index.note_new(connection, made))
            took("commit", connection.commit)
    engine.dispose()
    took("limit: bare executemany", lambda: bare(folder / "bare.db", rows, size))
    return {name: spent / count for name, spent in took.took.items()}


def bare(file: Path, rows: list[Any], size: int) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    names = ", ".join(f'"{name}"' for name in table.COLUMNS)
    connection.execute(f"CREATE TABLE request ({names}, PRIMARY KEY (id))".replace('"id"', '"id" INTEGER'))
    sql = f"INSERT OR IGNORE INTO request VALUES ({', '.join('?' * len(table.COLUMNS))})"
    for start in range(0, len(rows), size):
        connection.execute("BEGIN")
        connection.executemany(sql, rows[start : start + size])
        connection.execute("COMMIT")
    connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {0})
    size = max(int(chosen.rate * GROUP_S), 1)
    with tempfile.TemporaryDirectory() as name:
        by_part = parts(Path(name), 100 * size, size)
        found = whole(Path(name), chosen.rate, chosen.seconds)
    if chosen.json:
        print(json.dumps({"parts_us": by_part, **found}, indent=2))
        return 0
    print(f"{chosen.rate} requests a second, groups of {size}: µs of CPU a request")
    for title, spent in (by_part | found).items():
        print(f"{title:<34}{spent:>8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
