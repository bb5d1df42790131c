"""The server's log: JSON lines on standard error, one for each request, no bodies, no keys.

Lines wait as plain values; a thread of its own renders and writes them, so that a request never waits for a terminal.
It gathers for a tenth of a second, because to wake a thread for each costs a request 10 µs; what is not a request's is
written at once.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Mapping
from typing import IO, Any

from headgate.kernel import iso

from .exchange import encode

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "off": 100}
_MOST = 10_000
_GATHER_S = 0.1
_AT_ONCE = 64
"""Lines rendered between two writes: the interpreter is others' again after about 0.1 ms."""


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
        self._lines: deque[dict[str, Any]] = deque()
        self._bell = threading.Event()
        self._asleep = self._hurry = self._closing = False
        self._thread = threading.Thread(target=self._live, name="headgate-log", daemon=True)
        self._thread.start()

    def put(self, line: dict[str, Any], hurry: bool = False) -> None:
        """Take a line to be written soon; hurry: now."""
        if len(self._lines) >= _MOST:
            self.dropped += 1
            return
        self._lines.append(line)
        if hurry:
            self._hurry = True
        if hurry or self._asleep:
            self._asleep = False
            self._bell.set()

    def close(self) -> None:
        """Write what waits and stop."""
        self._closing = True
        self._bell.set()
        self._thread.join(5)

    def _live(self) -> None:
        while not self._closing:
            self._asleep = True
            if not self._lines:  # looked at after it was said, so that nobody puts a line without ringing
                self._bell.wait()
            self._asleep = False
            self._bell.clear()
            if not (self._hurry or self._closing):
                self._bell.wait(_GATHER_S)
            self._hurry = False
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        while self._lines:
            rendered = [self._rendered(self._lines.popleft()) for _ in range(min(len(self._lines), _AT_ONCE))]
            try:
                self._stream.write("".join(rendered))
                self._stream.flush()
            except (OSError, ValueError):
                self.dropped += len(rendered)

    def _rendered(self, line: dict[str, Any]) -> str:
        line["at"] = iso(line["at"])
        line |= self._about
        try:
            return encode(line).decode() + "\n"
        except (ValueError, TypeError):
            self.dropped += 1
            return ""


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
        self._writer.put(line, hurry=True)


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
