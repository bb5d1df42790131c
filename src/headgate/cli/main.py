"""The command line's first look: help at once from the table, everything else to the command that the words name.

Called by `__main__`. It imports the table and nothing heavy, so that `headgate --help` costs little more than Python.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from headgate.platform import COMMANDS, GROUPS, OPERATIONS, Operation

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.platform import Settings

    Serve = Callable[[Path, Settings, Callable[[str], None]], None]

_HELP = ("--help", "-h", "help")
_FOOT = """
Every command takes --json (a stable shape), --project DIR and --help. It runs on the server that HEADGATE_URL names,
on the project's live local server, or in this process: same operation, same result. HEADGATE_KEY says who you are.
Exit codes: 0 done or pass, 100 fail, 101 needs review, 2 wrong use, 3 not allowed, 4 not found or conflict, 1 else.
"""


def run(words: Sequence[str], serve: Serve) -> int:
    """Run a command line and return its exit code; `serve` starts the server, which this floor must not import."""
    if not words or words[0] in _HELP:
        return _show(overview())
    if words[0] == "--version":
        import headgate

        return _show(f"headgate {headgate.__version__}\n")
    if words[0] in COMMANDS:
        from .local import run_local

        return run_local(words[0], words[1:], serve)
    operation, rest = match(words)
    if operation is not None:
        from .commands import run_command

        return run_command(operation, rest)
    if words[0] in GROUPS and (len(words) == 1 or words[1] in _HELP):
        return _show(group_help(words[0]))
    from .output import unknown_command

    return unknown_command(words)


def match(words: Sequence[str]) -> tuple[Operation | None, Sequence[str]]:
    """Return the operation that the first words name, and the words after its name."""
    for operation in OPERATIONS:
        size = len(operation.words)
        if size and tuple(words[:size]) == operation.words:
            return operation, words[size:]
    return None, words


def overview() -> str:
    """Return the text of `headgate --help`."""
    singles = [(" ".join(row.words), row.summary) for row in OPERATIONS if len(row.words) == 1]
    groups = [(f"{name} …", about) for name, about in GROUPS.items()]
    parts = [
        "Headgate: the release backbone that classical ML models and LLM applications share.\n",
        "Usage: headgate COMMAND …\n",
        "Start\n" + _table(list(COMMANDS.items())),
        "Work\n" + _table(singles),
        "Look and decide (headgate GROUP --help lists each)\n" + _table(groups),
    ]
    return "\n".join(parts) + _FOOT


def group_help(name: str) -> str:
    """Return the text of `headgate GROUP --help`."""
    rows = [(" ".join(row.words), row.summary) for row in OPERATIONS if row.words[:1] == (name,)]
    return f"headgate {name}: {GROUPS[name]}\n\n{_table(rows)}"


def _table(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "".join(f"  {name:<{width}}  {text}\n" for name, text in rows)


def _show(text: str) -> int:
    sys.stdout.write(text)
    return 0
