"""Every query that a page needs, over a million stored requests, against a bar of 50 ms; and what storing them costs.

    python benchmarks/bench_pages.py [--requests 1000000] [--keep FOLDER]

Requests of a week, of three apps in two environments, with conversations of a few sentences whose words are as rare
and as common as in a language. They are stored by the code that stores the gateway's, in larger groups, with roll-ups
and the full-text index. A query runs 40 times, each time for other values, through the operation that the page calls;
the file is in the cache of the operating system, as a server's is.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from headgate.kernel import Principal, RequestRecord
from headgate.observe import TraceQuery, TraceShow, TrafficQuery, list_traces, show_trace, show_traffic
from headgate.store import Blobs, Context, Records, Secret, Spans, Store
from headgate.store.spans.group import Group, GroupStore
from headgate.store.spans.table import to_row
from headgate.testing import FakeClock

BAR_MS = 50
RUNS = 40
WEEK = 7 * 86_400
CHANCE = random.Random(11)
WORDS = [f"{first}{second}{third}" for first in "bdfgklmnprstvz" for second in ("a", "e", "io", "u") for third in
         ("l", "n", "r", "s", "t", "mba", "nder", "ssi", "tter", "vik")]  # fmt: skip
RANKS = [1 / (rank + 2) for rank in range(len(WORDS))]
"""Zipf: the commonest word is in nearly every conversation; `needle…` words below are in a few."""
APPS = ["support"] * 6 + ["sales"] * 3 + ["desk"]
STATUSES = ["answered"] * 90 + ["refused"] * 5 + ["blocked"] * 3 + ["held", "error"]
ROUTES = ["billing", "returns", "technical", "smalltalk", "fallback"]
STAGES = ("pin", "input", "route", "retrieve", "fit", "generate", "verify", "output")
RELEASES = [f"sha256:{number:064x}" for number in range(12)]


def requests(count: int, until: float) -> Iterator[RequestRecord]:
    """Yield requests of the week before `until`, oldest first."""
    for number in range(count):
        said = " ".join(CHANCE.choices(WORDS, RANKS, k=90))
        asked, answered = said[:200], said[200:] + (f" needle{number % 5000}" if number % 10 == 0 else "")
        app, latency = CHANCE.choice(APPS), int(CHANCE.lognormvariate(13, 0.8))
        yield RequestRecord(
            trace_id=f"{CHANCE.getrandbits(128):032x}", project="bench", at=until - WEEK * (1 - number / count),
            app=app, environment="prod" if CHANCE.random() < 0.8 else "staging", release=RELEASES[number * 12 // count],
            source="live", route=CHANCE.choice(ROUTES), label="", model=CHANCE.choice(["openai/a", "local/b"]),
            status=CHANCE.choice(STATUSES), reason="", key_id="key_1", session=f"s{number // 4}", input_tokens=300,
            output_tokens=90, cost_nano=120_000, latency_us=latency, first_token_us=latency // 3, overhead_us=900,
            attempts=1, grounding=0.8,
            stages=tuple({"name": name, "start_us": 10, "took_us": 20, "facts": {}} for name in STAGES),
            payload={"messages": [{"role": "user", "content": asked}], "answer": answered, "citations": []},
            attributes={"finish_reason": "stop", "region": f"r{number % 50}", "order": f"o{number}"},
        )  # fmt: skip


def fill(spans: Spans, count: int, until: float) -> None:
    """Store requests and index them; print what each part took."""
    assert spans._writer is not None
    groups: GroupStore = spans._writer._groups
    spent = {part: [0.0, 0.0] for part in ("made ready", "stored with roll-ups", "indexed")}

    def timed(part: str, call: Callable[[], Any]) -> Any:
        began, busy = time.perf_counter(), time.thread_time()
        result = call()
        spent[part][0] += time.perf_counter() - began
        spent[part][1] += time.thread_time() - busy
        return result

    source = requests(count, until)
    while chunk := list(islice(source, 2_000)):
        rows = timed("made ready", lambda chunk=chunk: [to_row(record) for record in chunk])
        timed("stored with roll-ups", lambda rows=rows: groups.store(Group(rows)))
        while timed("indexed", lambda: groups.catch_up(2_000)):
            pass
    for part, (seconds, busy) in spent.items():
        print(f"{part:<22}{seconds / count * 1e6:>7.1f} µs a request, {busy / count * 1e6:>6.1f} of them CPU")
    print(f"{count / sum(seconds for seconds, _ in spent.values()):,.0f} requests a second in all")


def queries(ctx: Context, ids: list[str]) -> dict[str, Callable[[], Any]]:
    """Return what pages ask for, each time with other values."""

    def traces(**asked: Any) -> Callable[[], Any]:
        def call() -> Any:
            values = {name: value() if callable(value) else value for name, value in asked.items()}
            return list_traces(ctx, TraceQuery.model_validate(values))

        return call

    def traffic(**asked: Any) -> Callable[[], Any]:
        return lambda: show_traffic(ctx, TrafficQuery.model_validate(asked))

    def window() -> Any:
        since = ctx.now - CHANCE.uniform(900, WEEK)
        return ctx.store.spans.window("bench", CHANCE.choice(APPS), "prod", since, since + 900)

    rare, common = partial(CHANCE.choice, WORDS[-50:]), partial(CHANCE.choice, WORDS[:5])
    release, deep = partial(CHANCE.choice, RELEASES), partial(CHANCE.choice, ids)
    return {
        "traces: no filter": traces(),
        "traces: no filter, far down": traces(before=deep),
        "traces: app and status": traces(app=lambda: CHANCE.choice(APPS), status=lambda: CHANCE.choice(STATUSES[90:])),
        "traces: app and status, far down": traces(app="desk", status="error", before=deep),
        "traces: release": traces(release=release),
        "traces: release and route": traces(release=release, route=lambda: CHANCE.choice(ROUTES)),
        "traces: release, app, status": traces(release=lambda: RELEASES[0], app="desk", status="error"),
        "traces: nothing fits": traces(release=release, status="answered", environment="dev"),
        "traces: of the last hour, blocked": traces(last="1h", status="blocked"),
        "traces: a common word": traces(text=common),
        "traces: a common word, far down": traces(text=common, before=deep),
        "traces: a rare word": traces(text=rare),
        "traces: a word in 20 requests": traces(text=lambda: f"needle{CHANCE.randrange(0, 5000, 10)}"),
        "traces: two words": traces(text=lambda: f"{rare()} {rare()}"),
        "traces: words side by side": traces(text=lambda: f'"{common()} {common()}"'),
        "traces: a word and a status": traces(text=rare, status="error"),
        "traces: a word nobody said": traces(text="unheard"),
        "traces: attribute": traces(where=lambda: [f"region=r{CHANCE.randrange(50)}"]),
        "traces: attribute of one": traces(where=lambda: [f"order=o{CHANCE.randrange(len(ids) * 100)}"]),
        "traces: a session": traces(where=lambda: [f"session=s{CHANCE.randrange(len(ids) * 25)}"]),
        "trace: by its id": lambda: show_trace(ctx, TraceShow(trace_id=deep())),
        "trace: by the first 12 digits": lambda: show_trace(ctx, TraceShow(trace_id=deep()[:12])),
        "traffic: 24 h": traffic(last="24h"),
        "traffic: 24 h of an app, by route": traffic(last="24h", app="support", environment="prod", by="route"),
        "traffic: 24 h, by release": traffic(last="24h", by="release"),
        "traffic: 7 d": traffic(last="7d"),
        "traffic: 7 d, by release": traffic(last="7d", by="release"),
        "traffic: 24 h in 5 minutes": traffic(last="24h", step="5m"),
        "monitor: a window of 15 min": window,
    }  # fmt: skip


def measure(call: Callable[[], Any]) -> tuple[list[float], float]:
    """Return the milliseconds of each run, least first, and the median of what the processor was busy with it."""
    call()
    times, busy = [], []
    for _ in range(RUNS):
        began, busy_before = time.perf_counter(), time.thread_time()
        call()
        times.append((time.perf_counter() - began) * 1e3)
        busy.append((time.thread_time() - busy_before) * 1e3)
    return sorted(times), statistics.median(busy)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="leave the file here, or use the one that is there")
    asked = parser.parse_args()
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="headgate-pages-"))
    clock = FakeClock()
    try:
        file = folder / "spans.db"
        there = file.exists()
        records = Records("sqlite://")
        records.migrate()
        spans = Spans(f"sqlite:///{file}", writer=True)
        store = Store(records, Blobs("memory://"), spans, Secret(b"only for a benchmark, never in use!!"))
        with closing(store):
            if not there:
                fill(spans, asked.requests, clock.now())
            return report(store, clock, file)
    finally:
        if asked.keep is None:
            shutil.rmtree(folder)


def report(store: Store, clock: FakeClock, file: Path) -> int:
    with store.spans._reads.connect() as connection:
        sql = "SELECT trace_id FROM request WHERE abs(random()) % 100 = 0"
        ids = [row[0] for row in connection.exec_driver_sql(sql)]
    size, peak = os.path.getsize(file), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{size / 1e6:,.0f} MB on disk, process at most {peak:,.0f} MB\n")
    print(f"{'query':<36}{'median':>10}{'p99':>10}{'CPU':>10}   bar {BAR_MS} ms")
    late = 0
    with store.records.read() as tx:
        ctx = Context(tx, Principal("bench", "bench", frozenset({"admin"})), clock, store)
        for name, call in queries(ctx, ids).items():
            times, busy = measure(call)
            p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
            late += p99 > BAR_MS
            verdict = "ok" if p99 <= BAR_MS else "LATE"
            print(f"{name:<36}{statistics.median(times):>7.1f} ms{p99:>7.1f} ms{busy:>7.1f} ms   {verdict}")
    print(f"\n{late} queries above the bar" if late else "\nevery query is within the bar")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
