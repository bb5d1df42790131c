"""The server's log: JSON lines on standard error, one for each request, no bodies, no keys.

Lines are put into a queue as plain values; a thread of its own renders and writes them, so that a request never waits
for a terminal.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any

from headgate.kernel import iso

from .exchange import encode

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "off": 100}
_QUEUE = 10_000


class LogWriter:
    """Writes lines from a bounded queue; what does not fit is counted in `dropped`, never waited for.

    about: what every line says, such as which worker wrote it.
    """

    def __init__(self, level: str, stream: IO[str] | None = None, about: Mapping[str, Any] | None = None) -> None:
        self._about = dict(about or {})
        self.level = LEVELS.get(level.lower(), 20)
        self.requests = self.level <= LEVELS["info"]
        self.dropped = 0
        self._stream = stream or sys.stderr
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._write_all, name="headgate-log", daemon=True)
        self._thread.start()

    def put(self, line: dict[str, Any]) -> None:
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what is queued and stop."""
        self._queue.put(None)
        self._thread.join(5)

    def _write_all(self) -> None:
        while (line := self._queue.get()) is not None:
            line["at"] = iso(line["at"])
            line |= self._about
            try:
                self._stream.write(encode(line).decode() + "\n")
                if self._queue.empty():
                    self._stream.flush()
            except (OSError, ValueError, TypeError):
                self.dropped += 1


class JsonHandler(logging.Handler):
    """Hands records of Python's logging to the writer: their message and their `facts`, never their arguments twice."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__(writer.level)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        line: dict[str, Any] = {"at": record.created, "level": record.levelname.lower(), "log": record.name}
        line["message"] = record.getMessage()
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = _where(record)
        self._writer.put(line)


def attach(writer: LogWriter) -> None:
    """Send the logs of Headgate and uvicorn to the writer, and nowhere else."""
    for name in ("headgate", "uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = False
    for name in ("headgate", "uvicorn", "asyncio"):
        logging.getLogger(name).handlers = [JsonHandler(writer)]
        logging.getLogger(name).setLevel(writer.level if name == "headgate" else max(writer.level, logging.WARNING))
    logging.getLogger("uvicorn.error").propagate = True


def _where(record: logging.LogRecord) -> str:
    """Name the file and line where an exception was raised; its message may hold what a user wrote."""
    assert record.exc_info is not None
    trace = record.exc_info[2]
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
