"""Several serving processes behind one address: started, watched, started again, stopped. Called by `serve`.

The one that leads serves nothing and opens nothing. It forks, so that workers share the memory of the code. Each
worker has a socket of its own on the shared address. It needs Linux, and PostgreSQL for what the workers share.
"""

from __future__ import annotations

import gc
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from headgate.http.exchange import encode
from headgate.http.logs import LEVELS
from headgate.kernel import HeadgateError, InvalidInput, Unavailable, iso
from headgate.platform import FOLDER, Settings, error_of, problem_of

from .listening import listen_beside, reserve
from .notes import leave_note, remove_notes
from .working import Place, Serving, delay_of, work

MOST = 64
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_START_S = 120.0
_STEADY_S = 60.0
_LONGEST_WAIT_S = 30.0
_STEP_S = 0.05
_LOOK_S = 5.0


def number_of_workers(settings: Settings) -> int:
    """Return how many processes shall serve. Raises InvalidInput when they could not share what they must."""
    told = settings.server.workers
    if not told.isdigit() or not 1 <= int(told) <= MOST:
        raise InvalidInput(f"{told!r} is no number of workers", f"1 to {MOST}; one for each core is a good start")
    if int(told) == 1:
        return 1
    for name, url in (("HEADGATE_DATABASE", settings.storage.database), ("HEADGATE_SPANS", settings.storage.spans)):
        if not url.startswith("postgresql"):
            raise InvalidInput(
                f"{told} workers need PostgreSQL, and {name} is SQLite, which one process writes safely",
                f"set {name} to postgresql://…, or serve with --workers 1",
                code="needs_postgresql",
            )
    if not hasattr(signal, "sigtimedwait") or not hasattr(socket, "SO_REUSEPORT"):
        raise InvalidInput("several workers need Linux", "serve with --workers 1, or in a container")
    return int(told)


@dataclass(slots=True)
class _Worker:
    """One process, or the place of one. said: where it tells how its start went. falls: ends in a row too soon."""

    number: int
    pid: int = 0
    said: int = -1
    ready: bool = False
    began: float = 0.0
    due: float = 0.0
    falls: int = 0


class Workers:
    """The workers of one address; `announce` is told the URL once all of them answer."""

    def __init__(self, serving: Serving, count: int, announce: Callable[[str], None]) -> None:
        self._serving, self._announce = serving, announce
        self._token = secrets.token_hex(32)
        self._workers = [_Worker(number) for number in range(count)]
        self._noted: Path | None = None
        self._stopping = False
        self._problem: HeadgateError | None = None
        self._quiet = LEVELS.get(serving.settings.server.log.lower(), 20) > LEVELS["warning"]

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises what the start of a worker raises; later ends are made good."""
        delay_of(self._serving.settings)
        with closing(reserve(self._serving.settings.server)) as self._address:
            self._folder = Path(tempfile.mkdtemp(prefix="headgate-"))
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            gc.freeze()
            try:
                self._run()
            finally:
                self._kill()
                if self._noted is not None:
                    remove_notes(self._noted)
                shutil.rmtree(self._folder, ignore_errors=True)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        while True:
            self._heard()
            self._reap()
            living = any(worker.pid for worker in self._workers)
            if self._stopping and not living:
                return
            now = time.monotonic()
            for worker in self._workers:
                if not self._stopping and not worker.pid and worker.due <= now:
                    self._start(worker)
            found = signal.sigtimedwait(_SIGNALS, self._patience(now))
            if found is not None and found.si_signo != signal.SIGCHLD:
                self._stop()

    def _patience(self, now: float) -> float:
        if any(worker.pid and not worker.ready for worker in self._workers):
            return _STEP_S
        due = [worker.due - now for worker in self._workers if not worker.pid]
        return max(min([*due, _LOOK_S]), _STEP_S)

    def _start(self, worker: _Worker) -> None:
        reading, writing = os.pipe()
        lead = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        worker.pid = os.fork()
        if not worker.pid:
            os.close(reading)
            self._be(worker.number, lead, writing)
        os.close(writing)
        os.set_blocking(reading, False)
        worker.said, worker.ready, worker.began = reading, False, time.monotonic()

    def _be(self, number: int, lead: int, said: int) -> NoReturn:
        """Live as a worker, in the forked process; it never returns to what led to the fork."""
        code = 1
        try:
            for sig in _SIGNALS:
                signal.signal(sig, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells every process; the one that leads decides
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            code = self._work(Place(lead, self._token, number, len(self._workers), self._folder), said)
        except BaseException:  # noqa: BLE001  the end of the process, whatever ends it
            traceback.print_exc()
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _work(self, place: Place, said: int) -> int:
        def started(root: Path, url: str, token: str) -> None:
            _tell(said, {"root": str(root), "url": url, "token": token})

        try:
            with closing(listen_beside(self._address)) as listener:
                self._address.close()
                work(self._serving, listener, place, started)
        except HeadgateError as problem:
            _tell(said, {"problem": problem_of(problem)})
            return 1
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else 1
        return 0

    def _heard(self) -> None:
        """Take in what workers say of their start."""
        for worker in self._workers:
            if worker.said < 0:
                continue
            found = _read(worker.said)
            if problem := found.get("problem"):
                self._troubled(worker, error_of(problem))
            elif found:
                worker.ready = True
                if all(each.ready for each in self._workers) and self._noted is None:
                    self._ready(found)
            elif worker.pid and not worker.ready and time.monotonic() - worker.began > _START_S:
                self._log("error", "a worker does not start", worker, pid=worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

    def _ready(self, found: dict[str, Any]) -> None:
        self._noted = Path(found["root"]) / FOLDER
        leave_note(self._noted, found["url"], found["token"])
        self._announce(found["url"])

    def _troubled(self, worker: _Worker, problem: HeadgateError) -> None:
        """Before all have started once, a worker's trouble is everybody's; later it is tried again."""
        if self._noted is None and not self._stopping:
            self._problem = problem
            self._stop()
        elif not self._stopping:
            self._log("error", problem.message, worker, code=problem.code)

    def _reap(self) -> None:
        for worker in self._workers:
            if not worker.pid:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if not pid:
                continue
            self._heard()
            os.close(worker.said)
            worker.pid, worker.said = 0, -1
            self._ended(worker, os.waitstatus_to_exitcode(status))

    def _ended(self, worker: _Worker, code: int) -> None:
        """Decide when a worker that has ended is started again: at once, and later each time it falls early."""
        if self._stopping:
            return
        if self._noted is None:
            self._troubled(worker, Unavailable(f"worker {worker.number} ended while it started", _how(code)))
            return
        early = time.monotonic() - worker.began < _STEADY_S
        worker.falls = worker.falls + 1 if early and code else 0
        wait_s = min(2.0 ** (worker.falls - 2), _LONGEST_WAIT_S) if worker.falls > 1 else 0.0
        worker.due = time.monotonic() + wait_s
        level = "error" if code else "warning"
        self._log(level, "a worker ended and is started again", worker, how=_how(code), in_s=wait_s)

    def _stop(self) -> None:
        """Tell all to drain; told twice, they leave at once."""
        self._stopping = True
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, signal.SIGTERM)

    def _kill(self) -> None:
        """Leave nobody behind when this process ends by an error of its own."""
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)

    def _log(self, level: str, message: str, worker: _Worker, **facts: Any) -> None:
        """Write a line as the workers' logs do; by hand, for a process that forks has no threads."""
        if not self._quiet or level == "error":
            line = {"at": iso(time.time()), "level": level, "log": "headgate.workers", "message": message}
            sys.stderr.write(encode(line | {"worker": worker.number} | facts).decode() + "\n")
            sys.stderr.flush()


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _tell(descriptor: int, what: dict[str, Any]) -> None:
    with suppress(OSError):  # nobody listens any more
        os.write(descriptor, json.dumps(what).encode())


def _read(descriptor: int) -> dict[str, Any]:
    """Return what a worker has said since, nothing when it is silent; a message is one write."""
    try:
        raw = os.read(descriptor, 65536)
    except BlockingIOError:
        return {}
    found: dict[str, Any] = json.loads(raw) if raw else {}
    return found
