"""Versions of artifacts on a terminal: a list, or one with its document and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import at, line, pairs, table


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [row["path"], row["kind"], row["seq"], row["digest"], at(row["created_at"]), row["created_by"]]
        for row in result["artifacts"]
    ]
    columns = ["artifact", "kind", "version", "digest", "made (UTC)", "by"]
    table(screen, columns, rows, "nothing is registered yet: `headgate release create` registers what it pins")


def shown(screen: Console, result: Mapping[str, Any]) -> None:
    """Show a version: what it is, what its document holds, what is known of its making."""
    line(screen, (str(result["path"] or result["kind"]), "bold"), f"  {result['digest']}")
    made = f"{at(result['created_at'])} by {result['created_by']}"
    pairs(screen, {"kind": result["kind"], "made (UTC)": made, "blobs": result["blobs"]})
    for title in ("document", "about"):
        if result[title]:
            line(screen, (title, "bold"))
            pairs(screen, _indented(result[title]))


def _indented(values: Mapping[str, Any], before: str = "  ") -> dict[str, Any]:
    """Return one pair for each plain value, nested names behind those that hold them."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _indented(value, f"{before}{key} ")
        else:
            found[f"{before}{key}"] = value
    return found


SHOW = {"artifact.list": listed, "artifact.show": shown}
