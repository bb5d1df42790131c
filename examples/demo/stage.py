"""What the demo stands on: commands run as a user would type them, told in people's words, timed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from headgate.__main__ import serve
from headgate.cli import run

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
        if not quiet:
            shown = " ".join(f"'{word}'" if " " in word else short(word) for word in words)
            self.console.print(f"   [dim]$ headgate {escape(shown)}[/]")
        with self.waiting():
            code, out, err = self._command([*words, "--project", str(self.project), "--json"], signed)
        self.commands += 1
        if code not in exits:
            raise Failed(
                f"headgate {' '.join(words)} ended with exit code {code}, not {exits}:\n{(err or out).strip()}"
            )
        return {"exit": code, "said": err.strip(), **(json.loads(out) if out.strip() else {})}

    def _command(self, words: Sequence[str], key: str) -> tuple[int, str, str]:
        """Run the command line itself, in this process: fifty starts of Python would take longer than the story."""
        out, err = io.StringIO(), io.StringIO()
        os.environ["HEADGATE_KEY"] = key
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words, serve)
        return code, out.getvalue(), err.getvalue()

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
