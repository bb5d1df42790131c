"""The lock that makes one process the writer of a folder's span file (P2). `Spans` takes it; it ends with the process.

SQLite before 3.51.3 can corrupt a WAL file that two connections write. A lock of the system, not a note in a file,
keeps the second one out: it vanishes with its holder, however that dies.
"""

from __future__ import annotations

import os
from pathlib import Path

from headgate.kernel import Conflict, Unavailable

NAME = "writer.lock"


class WriterLock:
    """A lock on `<folder>/writer.lock`, held until `release` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Take the lock at once. Raises Conflict naming the process that holds it, Unavailable without such locks."""
        try:
            import fcntl
        except ImportError:
            raise Unavailable("this system has no file locks", "store spans in PostgreSQL") from None
        path = folder / NAME
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise Conflict(
                f"another process already writes the traces in {folder}",
                f"process {holder} holds {path}: call it through HEADGATE_URL, stop it, or move to PostgreSQL",
                code="writer_lock",
            ) from None
        except OSError as problem:
            os.close(self._descriptor)
            raise Unavailable(
                f"{path} cannot be locked: {problem.strerror}",
                "put the folder on a local disk, or store spans in PostgreSQL",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next writer in; further calls do nothing."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1
