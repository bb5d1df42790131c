"""Budgets on a terminal: what each scope may spend today, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import line, table


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, (f"{result['day']}, until midnight UTC", "dim"))
    rows = [
        [
            row["scope"], row["name"], _usd(row["limit_usd"]), _usd(row["settled_usd"]), _usd(row["reserved_usd"]),
            "frozen" if row["frozen"] else _usd(row["left_usd"]),
        ]
        for row in result["budgets"]
    ]  # fmt: skip
    columns = ["budget", "name", "limit", "spent", "held", "left"]
    table(
        screen,
        columns,
        rows,
        "no budget binds: a contract's `cost: {per_day: $5}` or a key's --budget-per-day sets one",
    )


def _usd(amount: str | None) -> str:
    return "–" if amount is None else f"${amount}"


SHOW = {"budget.list": listed}
