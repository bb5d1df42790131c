"""What the demo stands on: commands run as a user would type them, told in people's words, timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

HEADGATE = Path(sys.executable).with_name("headgate")


class Failed(Exception):
    """A step of the demo that did not do what it must; the demo ends with exit code 1."""


class Stage:
    """Runs `headgate` in a project and tells what came out. `key` is whose key signs the commands."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.console = Console(highlight=False, soft_wrap=True)
        self.started = time.monotonic()
        self.commands = 0
        self.key = ""
        self.marks: list[tuple[str, float]] = []

    def act(self, number: int, title: str) -> None:
        self.marks.append((title, time.monotonic()))
        self.console.print(f"\n[bold cyan]{number}. {escape(title)}[/]  [dim]{self.elapsed():.0f} s[/]")

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def say(self, text: str) -> None:
        self.console.print(f"   {text}")

    def good(self, text: str) -> None:
        self.console.print(f"   [green]✓[/] {text}")

    def stopped(self, text: str) -> None:
        self.console.print(f"   [red]■[/] {text}")

    def run(self, *words: str, key: str | None = None, exits: Sequence[int] = (0,), quiet: bool = False) -> Any:
        """Run `headgate WORDS --json` and return its result. Raises Failed when it ends with another exit code."""
        signed = self.key if key is None else key
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
        environment |= {"HEADGATE_KEY": signed} if signed else {}
        if not quiet:
            shown = " ".join(f"'{word}'" if " " in word else short(word) for word in words)
            self.console.print(f"   [dim]$ headgate {escape(shown)}[/]")
        command = [str(HEADGATE), *words, "--json"]
        with self.waiting():
            done = subprocess.run(command, cwd=self.project, env=environment, capture_output=True, text=True)
        self.commands += 1
        if done.returncode not in exits:
            said = (done.stderr or done.stdout).strip()
            raise Failed(f"headgate {' '.join(words)} ended with exit code {done.returncode}, not {exits}:\n{said}")
        result = json.loads(done.stdout) if done.stdout.strip() else {}
        return {"exit": done.returncode, "said": done.stderr.strip(), **result}

    @contextmanager
    def waiting(self) -> Iterator[None]:
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("", spinner="dots"):
            yield

    def edit(self, file: str, old: str, new: str) -> str:
        """Change one piece of a project file, and return what the file was before."""
        path = self.project / file
        before = path.read_text(encoding="utf-8")
        if old not in before:
            raise Failed(f"{file} does not hold {old!r}")
        path.write_text(before.replace(old, new), encoding="utf-8")
        return before

    def restore(self, file: str, text: str) -> None:
        (self.project / file).write_text(text, encoding="utf-8")


def short(digest: str) -> str:
    return digest[7:19] if digest.startswith("sha256:") else digest


def must(condition: object, what: str) -> None:
    """Stop the demo when something that it claims did not happen."""
    if not condition:
        raise Failed(what)
