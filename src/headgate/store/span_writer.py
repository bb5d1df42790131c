"""The one thread that writes request records, in groups. Made by `Spans`; called on the request path by `record`.

A record is accepted at once or dropped and counted; a group is on disk within about 50 ms (P3). While the database
does not answer, records wait in a bounded queue (P13). What was dropped leaves a row in `gap`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Engine, insert
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from headgate.kernel import RequestRecord, Unavailable

from . import span_table
from .records import upsert

CAPACITY = 10_000
"""Records that wait at most, in memory."""
GROUP_S = 0.02
"""How long a group waits for others to join it."""
_PATIENCE_S = 30.0
_FATAL = "disk I/O error"


class SpanWriter:
    """Takes records from any thread and writes them in its own."""

    def __init__(self, engine: Engine, guard: AbstractContextManager[Any]) -> None:
        """engine: whose connections may write. guard: entered around every use of the database."""
        self.dropped = 0
        self._engine, self._guard = engine, guard
        self._insert = upsert(engine.dialect.name, span_table.request)
        self._queue: list[RequestRecord] = []
        self._writing = 0
        self._accepted = self._settled = 0
        self._gaps: dict[str, tuple[float, float, int]] = {}
        self._broken = ""
        self._lock = threading.Lock()
        self._done = threading.Condition(self._lock)
        self._wake, self._hurry, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="headgate-spans", daemon=True)
        self._thread.start()

    def record(self, record: RequestRecord) -> None:
        """Accept a record, or drop and count it; never waits for the database."""
        with self._lock:
            if self._broken or self._stop.is_set() or len(self._queue) + self._writing >= CAPACITY:
                self._drop(record.project, record.at)
                return
            self._queue.append(record)
            self._accepted += 1
        if not self._wake.is_set():
            self._wake.set()

    def flush(self, patience_s: float = _PATIENCE_S) -> None:
        """Return when everything accepted so far is on disk. Raises Unavailable when it is not and will not be."""
        self._hurry.set()
        self._wake.set()
        with self._lock:
            target = self._accepted
            settled = self._done.wait_for(lambda: self._settled >= target or self._broken, patience_s)
        if self._broken or not settled:
            raise Unavailable("the traces cannot be written", self._broken or "the database does not answer")

    def close(self) -> None:
        """Write what waits, then end the thread. What cannot be written by then is dropped and counted."""
        self._stop.set()
        self._hurry.set()
        self._wake.set()
        self._thread.join()

    def _drop(self, project: str, at: float) -> None:
        """Count a dropped record and widen its project's gap, which any database must be able to hold."""
        at = at if math.isfinite(at) else 0.0
        project = span_table.clean(project)
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
            self._wake.wait()
            self._hurry.wait(GROUP_S)
            self._wake.clear()
            self._hurry.clear()
            with self._lock:
                group, self._queue = self._queue, []
                self._writing = len(group)
            if group or self._gaps:
                self._write(self._rows(group))
            with self._lock:
                self._settled += len(group)
                self._writing = 0
                self._done.notify_all()
            if self._stop.is_set() and not self._queue:
                return

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows; wait and try again while the database does not answer, but never after an I/O error."""
        delay = 0.05
        while True:
            if self._broken:
                self._give_up(rows)
                return
            try:
                self._store(rows)
                return
            except (OperationalError, InterfaceError) as problem:
                ending = self._stop.is_set() and delay > 1
                if _FATAL in str(problem) or ending:
                    self._give_up(rows, str(problem.orig))
                    return
            except (SQLAlchemyError, ValueError, OverflowError):
                if len(rows) <= 1:
                    self._give_up(rows)
                    return
                for row in rows:
                    self._write([row])
                return
            time.sleep(delay)
            delay = min(delay * 2, 2.0)

    def _rows(self, group: Sequence[RequestRecord]) -> list[dict[str, Any]]:
        """Return the rows of a group; a record that is none is dropped, and its neighbours are kept."""
        rows = []
        for record in group:
            try:
                rows.append(span_table.to_row(record))
            except (AttributeError, TypeError, ValueError, OverflowError, RecursionError):
                with self._lock:
                    self._drop(str(record.project), float(record.at))
        return rows

    def _give_up(self, rows: Sequence[dict[str, Any]], broken: str = "") -> None:
        with self._lock:
            for row in rows:
                self._drop(row["project_id"], row["at"])
            if _FATAL in broken:
                self._broken = f"{broken}: check the disk, then start again; nothing is retried after such an error"

    def _store(self, rows: Sequence[dict[str, Any]]) -> None:
        with self._lock:
            gaps = dict(self._gaps)
        missing = [
            {"project_id": project, "since": since, "until": until, "dropped": dropped}
            for project, (since, until, dropped) in gaps.items()
        ]
        with self._guard, self._engine.begin() as connection:
            if rows:
                connection.execute(self._insert.on_conflict_do_nothing(), rows)
            if missing:
                connection.execute(insert(span_table.gap), missing)
        with self._lock:
            for project, gap in gaps.items():
                if self._gaps.get(project) == gap:
                    del self._gaps[project]
                else:
                    since, until, dropped = self._gaps[project]
                    self._gaps[project] = (since, until, dropped - gap[2])
