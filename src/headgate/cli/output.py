"""What a person or a script sees: results rendered or as JSON, errors as one message, progress on a terminal only.

Called by every command. Exit codes come from here: an error's own, or the outcome of a result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.kernel import HeadgateError, nearest
from headgate.platform import COMMANDS, GROUPS, OPERATIONS, problem_of

OUTCOMES = {"pass": 0, "fail": 100, "review": 101}
"""Exit codes of results that judge: a failed gate is an answer, not an error."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """How this run talks: JSON for scripts, tracebacks for whoever asked."""

    as_json: bool = False
    debug: bool = False

    @property
    def quiet(self) -> bool:
        return self.as_json or not sys.stderr.isatty()


class Progress:
    """One line on standard error that says how far a long step is; nothing when nobody watches."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._shown = quiet, False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def __call__(self, text: str, done: int = 0, total: int = 0) -> None:
        if self._quiet:
            return
        share = f" {done}/{total}" if total else ""
        bar = f" {'━' * int(24 * done / total):<24}" if total else ""
        sys.stderr.write(f"\r\033[K  {text}{share}{bar}")
        sys.stderr.flush()
        self._shown = True


def render(operation: str, result: dict[str, Any], reporter: Reporter) -> None:
    """Print a result."""
    if reporter.as_json:
        print_json(result)
        return
    from .renderers import show

    show(operation, result)


def print_json(data: Any) -> None:
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def exit_code_of(result: Mapping[str, Any]) -> int:
    """Return 0, or what the outcome of a result says: 100 for fail, 101 for review."""
    return OUTCOMES.get(str(result.get("outcome", "pass")), 0)


def failed(problem: BaseException, reporter: Reporter, shown: Mapping[str, str]) -> int:
    """Print one message for an error and return its exit code; `shown` maps request keys to how people type them."""
    if reporter.debug and not isinstance(problem, KeyboardInterrupt):
        import traceback

        traceback.print_exception(problem)
    error = _known(problem)
    where = error.where
    place = ""
    if where is not None:
        key = shown.get(str(where.key), where.key)
        place = f"{key}: " if where.file == "request" and key else "" if where.file == "request" else f"{where}: "
    if reporter.as_json:
        print_json({"error": problem_of(error)})
    print_error(f"{place}{error.message}", error.hint)
    return error.exit_code


def print_error(message: str, hint: str = "") -> None:
    red, dim, end = ("\033[31m", "\033[2m", "\033[0m") if _coloured() else ("", "", "")
    sys.stderr.write(f"{red}error:{end} {message}\n")
    if hint:
        sys.stderr.write(f"{dim}hint:{end} {hint}\n")


def unknown_command(words: Sequence[str]) -> int:
    """Say that there is no such command, and which one is near."""
    groups = words[0] in GROUPS
    known = {" ".join(row.words) for row in OPERATIONS if row.words} | set(COMMANDS)
    typed = " ".join(words[:2] if groups else words[:1])
    if groups:
        known = {name for name in known if name.startswith(words[0])}
        hint = nearest(typed, known)
    else:
        hint = nearest(typed, {name.split()[0] for name in known})
        hint = hint if hint.startswith("did") else "see headgate --help"
    print_error(f"there is no command {typed!r}", hint)
    return 2


def _known(problem: BaseException) -> HeadgateError:
    """Turn whatever was raised into one of our errors."""
    if isinstance(problem, HeadgateError):
        return problem
    if isinstance(problem, KeyboardInterrupt) or type(problem).__name__ == "Abort":
        return HeadgateError("interrupted", "run the same command again; it continues where it stopped")
    if hasattr(problem, "format_message"):
        error = HeadgateError(str(problem.format_message()).rstrip("."), "see --help", code="usage")
        error.exit_code = 2
        return error
    what = f"{type(problem).__name__}: {problem}".rstrip(": ")
    return HeadgateError(f"this is a defect: {what}", "set HEADGATE_DEBUG=1 for a traceback, and please report it")


def _coloured() -> bool:
    from rich.console import Console

    return Console(stderr=True).color_system is not None and sys.stderr.isatty()
