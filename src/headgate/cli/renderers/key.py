"""Keys on a terminal. A new token is printed once, alone on its line, so that it can be copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import line, table


def created(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, f"{result['id']} for {result['person']}: {', '.join(result['roles'])}")
    line(screen, (str(result["token"]), "bold"))
    line(screen, ("It is shown once. Use it as HEADGATE_KEY, or as an OpenAI client's api_key.", "dim"))
    if result["first"]:
        line(screen, ("It is the first key: from now on every request over HTTP needs one.", "yellow"))


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [
            row["id"], row["person"], row["roles"], row["name"],
            row["team"], _limits(row), row["created_at"][:10],
            (row["revoked_at"] or "")[:10],
        ]
        for row in result["keys"]
    ]  # fmt: skip
    columns = ["key", "person", "roles", "name", "team", "limits", "made", "revoked"]
    table(screen, columns, rows, "no keys yet: `headgate key create PERSON --role ROLE` makes one")


def _limits(row: Mapping[str, Any]) -> str:
    daily = [f"${row['budget_per_day_usd']}/day"] if row["budget_per_day_usd"] else []
    return ", ".join([*daily, *row["limits"]])


SHOW = {"key.create": created, "key.list": listed}
