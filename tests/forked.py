"""Processes that start in milliseconds: each is forked from one that has imported what all of them need.

Used by tests that kill, for a start is mostly imports, and no kill is about those. What runs in a process is the same
script as `python -c` would run, and it is killed and waited for like any other.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

HEADGATE = "import runpy; runpy.run_module('headgate', run_name='__main__')"
"""What runs the command line, whose words are the arguments."""
FILE = "import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
"""What runs the file that the first argument names, with the arguments after it."""


@dataclass(frozen=True)
class Process:
    """A running script; `stdout` is what it writes there."""

    pid: int
    stdout: IO[str]
    origin: Origin

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def runs(self) -> bool:
        """Return whether it has not ended."""
        return Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"

    def communicate(self) -> str:
        """Return the rest of what it wrote, once it has ended."""
        with self.stdout:
            return self.stdout.read()

    def wait(self) -> int:
        """Return how it ended, as `subprocess` says it."""
        return int(self.origin.ask(wait=self.pid))


class Origin:
    """The process that has imported what is needed, and forks."""

    def __init__(self, folder: Path, modules: tuple[str, ...]) -> None:
        self._folder, self._numbers = folder, itertools.count()
        command = [sys.executable, "-P", str(Path(__file__)), *modules]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **order: Any) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def start(self, script: str, *words: str, environment: Mapping[str, str] | None = None) -> Process:
        """Run a script with `words` as its arguments, and in an environment of its own when one is given."""
        out = self._folder / str(next(self._numbers))
        os.mkfifo(out)
        order = {"script": script, "words": words, "out": str(out), "environment": environment and dict(environment)}
        pid = int(self.ask(**order))
        return Process(pid, out.open(encoding="utf-8"), self)  # opens when the other end has opened it

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def forking(*modules: str) -> Iterator[Origin]:
    """Import modules in a new process, and let it fork; what it forked has ended before it is closed."""
    with tempfile.TemporaryDirectory(prefix="headgate-forks-") as folder:
        origin = Origin(Path(folder), modules)
        try:
            yield origin
        finally:
            origin.close()


def _become(order: Mapping[str, Any]) -> None:
    """Go on as the process that was asked for: nothing of the origin's input and output is left."""
    out, nothing = os.open(order["out"], os.O_WRONLY), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(out, 1)
    os.close(nothing)
    os.close(out)
    if order["environment"] is not None:
        os.environ.clear()
        os.environ.update(order["environment"])
    sys.argv = ["-c", *order["words"]]
    exec(compile(order["script"], "-c", "exec"), {"__name__": "__main__"})


def _serve(modules: list[str]) -> None:
    for module in modules:
        import_module(module)
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            said = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        elif not (said := os.fork()):
            return _become(order)
        print(said, flush=True)
    return None


if __name__ == "__main__":
    _serve(sys.argv[1:])
