"""The terminal itself and the forms that all groups share: tables, pairs, shortened digests. Called by `output`.

A group's file holds `SHOW`, from operation name to a function of (console, result). What has none is shown plainly.
Text of models and users is printed as text, never as markup.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Show = Callable[[Console, Mapping[str, Any]], None]
_WIDE = 160
ENOUGH = 16
"""Digits of a trace's id that tell it from others: the first 12 are its millisecond, which others may share."""
_DIGEST = re.compile(r"sha256:([0-9a-f]{12})[0-9a-f]{52}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
STYLES = {
    "pass": "green", "fail": "red", "review": "yellow", "error": "red", "open": "yellow", "closed": "dim",
    "answered": "green", "blocked": "red", "held": "yellow", "safe": "yellow", "refused": "yellow", "breach": "red",
    "ok": "green", "quiet": "dim", "better": "green", "worse": "red", "done": "green", "failed": "red",
    "applied": "green", "pending": "yellow", "added": "green", "removed": "red", "changed": "yellow",
}  # fmt: skip


def console() -> Console:
    """Return a console on standard output: coloured on a terminal unless NO_COLOR is set, wide elsewhere."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_WIDE, force_terminal=False)


def show(operation: str, result: Mapping[str, Any]) -> None:
    """Render a result as its group says, or plainly."""
    group = operation.partition(".")[0].replace("-", "_")
    name = f"headgate.cli.renderers.{group}"
    found: Show = plain
    if importlib.util.find_spec(name) is not None:
        found = importlib.import_module(name).SHOW.get(operation, plain)
    found(console(), result)


def plain(screen: Console, result: Mapping[str, Any]) -> None:
    """Show any result: its plain values as pairs, its lists of mappings as tables."""
    pairs(screen, {key: value for key, value in result.items() if not _rows(value)})
    for value in result.values():
        if _rows(value):
            columns = [key for key in value[0] if not isinstance(value[0][key], list | dict)][:8]
            table(screen, columns, [[_timed(column, row.get(column)) for column in columns] for row in value])


def pairs(screen: Console, values: Mapping[str, Any]) -> None:
    """Show names and values, aligned."""
    shown = {key: cell(_timed(key, value)) for key, value in values.items() if value not in (None, "", [], {}, ())}
    width = max((len(key) for key in shown), default=0)
    for key, value in shown.items():
        screen.print(Text.assemble((f"{key.replace('_', ' '):<{width}}  ", "dim"), value), soft_wrap=True)


def table(screen: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "nothing yet") -> None:
    """Show rows under quiet headings; `empty` says what to do when there are none."""
    filled = [[cell(value) for value in row] for row in rows]
    if not filled:
        screen.print(Text(empty, style="dim"))
        return
    shown = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        shown.add_column(column.replace("_", " "), overflow="fold")
    for row in filled:
        shown.add_row(*row)
    screen.print(shown)


def cell(value: Any) -> Text:
    """Return one value as text: digests short, outcomes coloured, control characters made visible."""
    if isinstance(value, Text):
        return value
    if value is None:
        return Text("–", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, float):
        return Text(f"{value:.4g}")
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {cell(item).plain}" for key, item in value.items())
    elif isinstance(value, list | tuple):
        value = ", ".join(cell(item).plain for item in value)
    text = _CONTROL.sub("�", str(value))
    return Text(_DIGEST.sub(r"\1", text), style=STYLES.get(text, ""))


def outcome(word: str) -> Text:
    """Return a judgement, padded so that lines align."""
    return Text(f"{word:<8} ", style=f"bold {STYLES.get(word, '')}".strip())


def at(epoch: float | None) -> str:
    """Return a time as people read it, UTC."""
    return "–" if epoch is None else datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S")


def when(iso: str | None) -> str:
    """Return a time of the wire as people read it, to the second, UTC."""
    return (iso or "–")[:19].replace("T", " ")


def _timed(key: str, value: Any) -> Any:
    """Show what is named as a point in time as one; a fraction of 1.8 billion seconds says nothing to anybody."""
    return at(value) if isinstance(value, float) and (key == "at" or key.endswith("_at")) else value


def clip(text: str, length: int = 100) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def line(screen: Console, *parts: str | Text | tuple[str, str]) -> None:
    """Print one line made of texts and (text, style) pairs."""
    screen.print(Text.assemble(*[cell(part) if isinstance(part, str) else part for part in parts]), soft_wrap=True)


def _rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
