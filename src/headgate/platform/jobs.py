"""Jobs done: claimed from the table, run in this process under a lease, finished or failed. And `job.show`.

Called by the server's worker thread and, for commands without a server, in process. A handler is idempotent and keeps
its own checkpoints, so a job whose process died is simply run again by whoever claims it next.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Clock, Conflict, HeadgateError, Principal
from headgate.store import Context, JobRow, Store, Work, jobs

from .operations import find
from .problems import problem_of, raise_problem
from .target import read_request, resolve

log = logging.getLogger("headgate.jobs")
LEASE_S = 30.0
_POLL_S = 0.2
_IDLE_S = 1.0

Report = Callable[[str, int, int], None]


class JobShow(BaseModel):
    """Which job."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    job_id: str = Field(description="its id, job_…")


class JobShown(BaseModel):
    """How far a job is; its result or its error once it has ended."""

    model_config = ConfigDict(frozen=True)
    id: str
    operation: str
    state: str
    person: str
    attempts: int
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None


def show_job(ctx: Context, request: JobShow) -> JobShown:
    """Show one job. Raises NotFound."""
    row = jobs.get(ctx.tx, ctx.project, request.job_id)
    return JobShown(**{name: getattr(row, name) for name in JobShown.model_fields})


@dataclass(slots=True)
class Worker:
    """Runs jobs of one store. `services` builds what handlers need, anew for each job (clients belong to a loop)."""

    store: Store
    clock: Clock
    services: Callable[[], Mapping[type, Any]]
    recording: Callable[[Store], Store] = lambda store: store
    owner: str = field(default_factory=jobs.owner_name)
    stopping: threading.Event = field(default_factory=threading.Event)

    def finish(self, project: str, job_id: str, report: Report) -> dict[str, Any]:
        """Run a job here, or watch it where it runs, until it ends; return its result or raise its error."""
        for turn in itertools.count():
            row = self.claim(project, job_id) if turn % 10 == 0 else None
            if row is not None:
                self.run(row, report)
            with self.store.records.read() as tx:
                found = jobs.get(tx, project, job_id)
            if found.state == "failed":
                raise_problem(found.error or {})
            if found.state == "done":
                return found.result or {}
            _tell(report, found.progress)
            time.sleep(_POLL_S)
        raise AssertionError("counting never ends")

    def claim(self, project: str | None = None, job_id: str | None = None) -> JobRow | None:
        """Take one job that waits or whose owner is gone, None when there is none."""
        with self.store.records.begin() as tx:
            return jobs.claim(tx, project, owner=self.owner, now=self.clock.now(), lease_s=LEASE_S, id=job_id)

    def run(self, row: JobRow, report: Report = lambda text, done, total: None) -> None:
        """Run a claimed job and write down how it ended. What a handler raises becomes the job's error."""
        beat = _Beat(self, row, report)
        beat.start()
        try:
            result = self._handle(row, beat)
        except _Lost:
            self._give_back(row, beat)
        except HeadgateError as problem:
            self._end(row, error=problem_of(problem))
        except Exception as problem:
            if self.stopping.is_set():
                self._give_back(row, beat)
                return
            log.exception("job failed", extra={"facts": {"job": row.id, "operation": row.operation}})
            message = f"{row.operation} failed: {type(problem).__name__}: {problem}"
            self._end(row, error=problem_of(HeadgateError(message[:500], "this is a defect; please report it")))
        except BaseException:
            interrupted = Conflict(
                "the job was interrupted", "run the same command again; it continues where it stopped"
            )
            self._end(row, error=problem_of(interrupted))
            raise
        else:
            self._end(row, result=result)
        finally:
            beat.stop()

    def _handle(self, row: JobRow, beat: _Beat) -> dict[str, Any]:
        target = resolve(find(row.operation))
        store = self.recording(self.store)
        try:
            work = Work(
                store=store,
                principal=Principal(row.person, row.project),
                clock=self.clock,
                services=self.services(),
                job_id=row.id,
                progress=beat.progress,
            )
            result: BaseModel = target.function(work, read_request(target.request, row.arguments))
        finally:
            if store is not self.store:
                store.spans.close()
        return result.model_dump(mode="json", by_alias=True)

    def _give_back(self, row: JobRow, beat: _Beat) -> None:
        """Let others have a job that was stopped with its server, before its lease ends."""
        beat.stop()
        if not beat.lost:
            with self.store.records.begin() as tx:
                jobs.give_back(tx, row.id, row.token, self.clock.now())

    def _end(self, row: JobRow, *, result: dict[str, Any] | None = None, error: dict[str, Any] | None = None) -> None:
        with self.store.records.begin() as tx:
            if error is None:
                jobs.finish(tx, row.id, row.token, result or {}, self.clock.now())
            else:
                jobs.fail(tx, row.id, row.token, error, self.clock.now())


class _Lost(Exception):
    """Raised inside a handler whose lease went to another worker; whatever it would write is not wanted."""


class _Beat:
    """Keeps a job's lease alive from a thread of its own, whatever the handler is busy with."""

    def __init__(self, worker: Worker, row: JobRow, report: Report) -> None:
        self.worker, self.row, self.report = worker, row, report
        self.latest: dict[str, Any] | None = None
        self.ended, self.lost = threading.Event(), False
        self.thread = threading.Thread(target=self._beat, name=f"beat-{row.id}", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.ended.set()
        self.thread.join(timeout=5)

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        """What the handler calls. Raises when the job has become somebody else's."""
        if self.lost or self.worker.stopping.is_set():
            raise _Lost
        self.latest = {"text": text, "done": done, "total": total}
        self.report(text, done, total)

    def _beat(self) -> None:
        since = 0.0
        shown: dict[str, Any] | None = None
        while not self.ended.wait(0.5):
            since += 0.5
            if self.latest is shown and since < LEASE_S / 3:
                continue
            since, shown = 0.0, self.latest
            try:
                with self.worker.store.records.begin() as tx:
                    alive = jobs.heartbeat(
                        tx, self.row.id, self.row.token, now=self.worker.clock.now(), lease_s=LEASE_S, progress=shown
                    )
            except HeadgateError:
                continue
            if not alive:
                self.lost = True
                return


def _tell(report: Report, progress: Mapping[str, Any] | None) -> None:
    if progress:
        report(str(progress.get("text", "")), int(progress.get("done", 0)), int(progress.get("total", 0)))


class Clerk:
    """What a server does beside answering: jobs one after the other, monitors and the audit's seal every minute."""

    def __init__(self, worker: Worker, minutely: Callable[[], None], period_s: float = 60.0) -> None:
        self._worker, self._minutely, self._period_s = worker, minutely, period_s
        self._threads = [
            threading.Thread(target=self._work, name="headgate-jobs", daemon=True),
            threading.Thread(target=self._watch, name="headgate-minute", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def leave(self) -> None:
        """Take no more jobs, and tell the one that runs to give itself back; returns at once."""
        self._worker.stopping.set()

    def stop(self, wait_s: float = 5.0) -> None:
        """Take no more jobs. One that does not stop in time is run again by whoever sees that its process is gone."""
        self.leave()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(wait_s)

    def _work(self) -> None:
        while not self._worker.stopping.is_set():
            try:
                row = self._worker.claim()
                if row is not None:
                    self._worker.run(row)
                    continue
            except HeadgateError as problem:  # the database does not answer: try again later
                log.warning("jobs wait", extra={"facts": {"problem": problem.code}})
            self._worker.stopping.wait(_IDLE_S)

    def _watch(self) -> None:
        while not self._worker.stopping.wait(self._period_s):
            try:
                self._minutely()
            except HeadgateError as problem:
                log.warning("monitors wait", extra={"facts": {"problem": problem.code}})
            except Exception:
                log.exception("monitors failed")
