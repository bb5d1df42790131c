"""The audit log on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import line, outcome, table, when


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [[row["seq"], when(row["at"]), row["actor"], row["action"], row["target"]] for row in result["entries"]]
    table(screen, ["entry", "at (UTC)", "who", "did", "to"], rows, "nothing was changed yet")


def verified(screen: Console, result: Mapping[str, Any]) -> None:
    said = f"{result['entries']} entries, nothing was rewritten" if result["ok"] else str(result["problem"])
    line(screen, outcome(result["outcome"]), said)


SHOW = {"audit.list": listed, "audit.verify": verified}
