"""The one thread that writes requests and spans, in groups. Made by `Spans`; called on the request path by `record`.

A request is accepted at once or dropped and counted; a group is on disk within about 50 ms (P3). While the database
does not answer, requests wait in a bounded queue (P13); what was dropped leaves a row in `gap`. Spans that others sent
are never dropped: their sender waits until they are on disk, and is told when they are not.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from headgate.kernel import RequestRecord, SpanRecord, Unavailable

from . import received, table
from .group import Batch, Group, GroupStore
from .packing import clean

CAPACITY = 10_000
"""Requests that wait at most, in memory."""
WEIGHT = 32 * 1024 * 1024
"""Bytes of requests that wait at most, and of received spans; a request beyond them is dropped and counted, whoever
brings more spans waits for room."""
GROUP_S = 0.04
"""How long a group of requests waits for others to join it. Spans do not wait: while one group is written, the next
one gathers."""
IDLE_S, IDLE_SLICE = 0.1, 200
"""After how long without work rows are indexed, and how many at once: a few milliseconds each."""
LATE_S, BUSY_SLICE = 0.5, 500
"""How long a busy writer puts indexing off, and how many rows it then indexes between two groups: 10 ms or so. Larger
slices are less work: what each of them adds to the index is merged with the rest again and again."""
_PATIENCE_S = 30.0
_FATAL = "disk I/O error"
_DOWN = (OperationalError, InterfaceError, sqlite3.OperationalError)
_UNFIT = (SQLAlchemyError, sqlite3.Error, ValueError, OverflowError)
_SPAN_BYTES = 400
"""What a waiting span takes in memory beside its packed bytes, about."""


class SpanWriter:
    """Takes requests and spans from any thread and writes them in its own."""

    def __init__(self, engine: Engine, guard: AbstractContextManager[Any]) -> None:
        """engine: whose connections may write. guard: entered around every use of the database."""
        self.dropped = 0
        self._groups = GroupStore(engine, guard)
        self._queue: list[table.Values] = []
        self._waiting = 0
        self._batches: list[Batch] = []
        self._weight = 0
        self._writing = 0
        self._accepted = self._settled = 0
        self._gaps: dict[str, tuple[float, float, int]] = {}
        self._broken = ""
        self._behind, self._up_to_date = True, time.monotonic()
        self._lock = threading.Lock()
        self._done = threading.Condition(self._lock)
        self._wake, self._hurry, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="headgate-spans", daemon=True)
        self._thread.start()

    def record(self, record: RequestRecord) -> None:
        """Accept a record, or drop and count it; never waits for the database.

        Its row is drafted here, in the thread that made it: a queue of records would be a hundred thousand objects,
        which the garbage collector goes through again and again.
        """
        try:
            draft = table.drafted(record)
        except (AttributeError, TypeError, ValueError, OverflowError, RecursionError):
            draft = None
        with self._lock:
            if draft is None or self._closed() or self._is_full():
                self._drop(str(record.project), float(record.at))
                return
            self._queue.append(draft)
            self._waiting += table.weight(draft)
            self._accepted += 1
        if not self._wake.is_set():
            self._wake.set()

    def ingest(self, records: Sequence[SpanRecord], patience_s: float = _PATIENCE_S) -> int:
        """Return how many spans were new, once they are on disk. Raises Unavailable when they are not and may not be.

        After Unavailable they may be sent again: what was stored nevertheless is not stored twice.
        """
        if not records:
            return 0
        rows = received.to_rows(records)
        batch = Batch(records, rows, sum(len(row[-1]) + _SPAN_BYTES for row in rows))
        ends = time.monotonic() + patience_s
        with self._lock:
            room = self._done.wait_for(lambda: self._closed() or self._fits(batch), patience_s)
            if not room or self._closed():
                raise self._unavailable("too many spans wait")
            self._batches.append(batch)
            self._weight += batch.weight
            self._hurry.set()
            self._wake.set()
            self._done.wait_for(lambda: batch.done or self._broken, ends - time.monotonic())
            if batch in self._batches:
                self._batches.remove(batch)
                self._weight -= batch.weight
        if batch.problem or not batch.done:
            raise self._unavailable(batch.problem)
        return batch.new

    def flush(self, patience_s: float = _PATIENCE_S) -> None:
        """Return when everything accepted so far is on disk. Raises Unavailable when it is not and will not be."""
        self._hurry.set()
        self._wake.set()
        with self._lock:
            target = self._accepted
            settled = self._done.wait_for(lambda: self._settled >= target or self._broken, patience_s)
        if self._broken or not settled:
            raise self._unavailable()

    def close(self) -> None:
        """Write what waits, then end the thread. What cannot be written by then is dropped and counted."""
        self._stop.set()
        self._hurry.set()
        self._wake.set()
        self._thread.join()

    def _is_full(self) -> bool:
        return len(self._queue) + self._writing >= CAPACITY or self._waiting >= WEIGHT

    def _closed(self) -> bool:
        return bool(self._broken) or self._stop.is_set()

    def _fits(self, batch: Batch) -> bool:
        return not self._weight or self._weight + batch.weight <= WEIGHT

    def _unavailable(self, why: str = "") -> Unavailable:
        return Unavailable("the traces cannot be written", self._broken or why or "the database does not answer")

    def _drop(self, project: str, at: float) -> None:
        """Count a dropped record and widen its project's gap, which any database must be able to hold."""
        at = at if math.isfinite(at) else 0.0
        project = clean(project)
        since, until, dropped = self._gaps.get(project, (at, at, 0))
        self._gaps[project] = (min(since, at), max(until, at), dropped + 1)
        self.dropped += 1

    def _run(self) -> None:
        try:
            self._loop()
        finally:
            with self._lock:
                self._broken = self._broken or ("" if self._stop.is_set() else "the writing thread ended: start again")
                self._done.notify_all()

    def _loop(self) -> None:
        while True:
            self._wait()
            self._hurry.wait(GROUP_S)
            self._wake.clear()
            self._hurry.clear()
            with self._lock:
                group, self._queue = self._queue, []
                held = self._waiting
                batches, self._batches = self._batches, []
                self._writing = len(group)
            if group or batches or self._gaps:
                self._write_all([table.finished(draft) for draft in group], batches)
            with self._lock:
                self._settled += len(group)
                self._writing = 0
                self._waiting -= held
                self._weight -= sum(batch.weight for batch in batches)
                self._done.notify_all()
                self._behind = self._behind or bool(group or batches)
            if self._stop.is_set() and not self._queue and not self._batches:
                return

    def _wait(self) -> None:
        """Wait for something to write; meanwhile have rows indexed, in slices so small that nobody notices.

        Half of the time is left to others. A writer that is never idle indexes a little between its groups.
        """
        pause = IDLE_S
        while not self._wake.wait(pause if self._behind else None):
            pause = max(self._catch_up(IDLE_SLICE), 0.001)
        if not self._behind:
            self._up_to_date = time.monotonic()
        elif time.monotonic() - self._up_to_date > LATE_S and not self._stop.is_set():
            self._catch_up(BUSY_SLICE)

    def _catch_up(self, most: int) -> float:
        """Index some rows; return the seconds to pause."""
        began = time.monotonic()
        try:
            self._behind = not self._broken and self._groups.catch_up(most)
        except _UNFIT as problem:
            self._give_up((), _reason(problem))
            return IDLE_S
        return time.monotonic() - began

    def _write_all(self, rows: Sequence[table.Values], batches: Sequence[Batch]) -> None:
        """Write everything at once; when that fails, each sender of spans alone, once, and then the requests."""
        if not batches:
            self._write(rows)
            return
        try:
            self._store(rows, batches)
            return
        except _UNFIT as problem:
            failed = _reason(problem)
            self._give_up((), failed)
            down = isinstance(problem, _DOWN)
        for batch in batches:
            try:
                if down or self._broken:
                    batch.problem = failed
                else:
                    self._store((), [batch])
            except _UNFIT as problem:
                batch.problem = _reason(problem)
            batch.done = True
        with self._lock:
            self._done.notify_all()
        self._write(rows)

    def _write(self, rows: Sequence[table.Values]) -> None:
        """Write rows; wait and try again while the database does not answer, but never after an I/O error."""
        delay = 0.05
        while True:
            if self._broken:
                self._give_up(rows)
                return
            try:
                self._store(rows)
                return
            except _DOWN as problem:
                ending = self._stop.is_set() and delay > 1
                if _FATAL in str(problem) or ending:
                    self._give_up(rows, _reason(problem))
                    return
            except _UNFIT:
                if len(rows) <= 1:
                    self._give_up(rows)
                    return
                for row in rows:
                    self._write([row])
                return
            time.sleep(delay)
            delay = min(delay * 2, 2.0)

    def _give_up(self, rows: Sequence[table.Values], broken: str = "") -> None:
        with self._lock:
            for row in rows:
                self._drop(row[table.PROJECT], row[table.AT])
            if _FATAL in broken:
                self._broken = f"{broken}: check the disk, then start again; nothing is retried after such an error"

    def _store(self, rows: Sequence[table.Values], batches: Sequence[Batch] = ()) -> None:
        with self._lock:
            gaps = dict(self._gaps)
        missing = [
            {"project_id": project, "since": since, "until": until, "dropped": dropped}
            for project, (since, until, dropped) in gaps.items()
        ]
        self._groups.store(Group(rows, batches, missing))
        with self._lock:
            for project, gap in gaps.items():
                if self._gaps.get(project) == gap:
                    del self._gaps[project]
                else:
                    since, until, dropped = self._gaps[project]
                    self._gaps[project] = (since, until, dropped - gap[2])


def _reason(problem: Exception) -> str:
    """Return the driver's own words for what went wrong."""
    return str(getattr(problem, "orig", None) or problem).strip().partition("\n")[0]
