"""Budgets on a terminal: what each scope may use now, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import line, table


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [
            row["scope"], row["name"], f"{row['unit']} a {row['span']}", _amount(row, "limit"), _amount(row, "settled"),
            _amount(row, "reserved"), "frozen" if row["frozen"] else _amount(row, "left"), _until(row),
        ]
        for row in result["budgets"]
    ]  # fmt: skip
    columns = ["budget", "name", "of", "limit", "used", "held", "left", "until, UTC"]
    nothing = "nothing is limited: a contract's `limits:` or `headgate budget set` does it"
    table(screen, columns, rows, nothing)


def limited(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, f"{result['scope']}: {', '.join(result['limits']) or 'no limits'}")


def _amount(row: Mapping[str, Any], which: str) -> str:
    if row[which] is None:
        return "–"
    return f"${row[which]}" if row["unit"] == "cost" else str(row[which])


def _until(row: Mapping[str, Any]) -> str:
    at = str(row["resets_at"])
    return at[11:16] if row["span"] == "minute" else at[:16].replace("T", " ")


SHOW = {"budget.list": listed, "budget.set": limited}
