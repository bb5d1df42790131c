"""Monitors on a terminal: each signal against its threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import line, table

_SIDES = {"high": "above", "low": "below"}


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [
            f"{row['app']}@{row['environment']}", row["monitor"], row["state"], f"{row['value']:.4g} {row['unit']}",
            f"{row['low']:.4g} … {row['high']:.4g}", f"{_SIDES.get(row['bad'], row['bad'])} {row['threshold']:.4g}",
            row["requests"],
        ]
        for row in result["monitors"]
    ]  # fmt: skip
    columns = ["app", "monitor", "state", "value", "interval", "bad when", "requests"]
    table(screen, columns, rows, "nothing is watched: name monitors under `watch:` of an environment and apply it")
    for incident in result.get("opened", []):
        line(screen, ("opened ", "red"), str(incident))


SHOW = {"monitor.list": listed, "monitor.run": listed}
