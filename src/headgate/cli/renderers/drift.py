"""Drift on a terminal: per model, which signals moved, from what to what, and requests to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.text import Text

from .screen import clip, line, table, when

_NONE = "nothing yet: no trained model has answered in this window (try --last 1d)"


def shown(screen: Console, result: Mapping[str, Any]) -> None:
    """Show what moved, the most first; of what stayed only how much there is."""
    line(screen, (f"{when(result['since'])} … {when(result['until'])} UTC, against the training data", "dim"))
    for note in result["notes"]:
        line(screen, ("no reference  ", "yellow"), str(note))
    if not result["signals"]:
        line(screen, (_NONE, "dim"))
    for (app, environment, model, digest), rows in groupby(sorted(result["signals"], key=_whose), key=_whose):
        line(screen, "")
        line(screen, (f"{app}@{environment}  ", "bold"), (f"{model} {digest[7:19]}", "dim"))
        _one(screen, sorted(rows, key=lambda row: -row["value"] / row["threshold"]))


def _one(screen: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    moved: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["state"] == "breach":
            moved.setdefault(row["feature"], []).append(row)
    quiet = [row for row in rows if row["state"] == "quiet"]
    if moved:
        table(screen, ["moved", "before → now", "by (at most)", "rows", "requests"], map(_cells, moved.values()))
    calm = dict.fromkeys(row["feature"] for row in rows if row["state"] == "ok" and row["feature"] not in moved)
    if calm:
        line(screen, ("unmoved  ", "green"), (clip(", ".join(calm), 140), "dim"))
    if quiet:
        most = max(row["count"] for row in quiet)
        line(screen, ("quiet    ", "dim"), (f"{len(quiet)} signals: {most} rows are too few to say", "dim"))


def _cells(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Show one feature on one line: what moved, and by which methods."""
    first = rows[0]
    by = ", ".join(f"{row['method']} {row['value']:.2f} ({row['threshold']:.2f})" for row in rows)
    examples = " ".join(dict.fromkeys(trace[:8] for row in rows for trace in row["examples"][:2]))
    return [Text(str(first["feature"]), "bold"), clip(first["words"], 90), by, first["count"], examples]


def _whose(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return row["app"], row["environment"], row["model"], row["digest"]


SHOW = {"drift.show": shown}
