"""The folder's writer lock: exactly one process writes the span file (P2). Held by an open file, so a kill frees it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from headgate.kernel import Conflict


class WriterLock:
    """An exclusive lock on `writer.lock` beside the span file; the file names the process that holds it."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    def take(cls, folder: Path) -> WriterLock:
        """Take the lock at once. Raises Conflict naming the process that has it."""
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "writer.lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise Conflict(
                f"the traces in {folder.name} are being written by process {holder}",
                "stop it, or use PostgreSQL to run several",
                code="writer_locked",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return cls(file)

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._file.close()
