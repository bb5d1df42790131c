"""Proposals on a terminal: which file would grow by how much, and why. The text itself is in `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import clip, pairs, table, when


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [row["id"], row["state"], row["file"], len(row["text"].splitlines()), when(row["created_at"]),
         row["created_by"], clip(row["reason"], 70)]
        for row in result["proposals"]
    ]  # fmt: skip
    table(screen, ["proposal", "state", "file", "lines", "made (UTC)", "by", "why"], rows, "nothing is proposed")


def pulled(screen: Console, result: Mapping[str, Any]) -> None:
    pairs(screen, {"written": result["written"]})
    listed(screen, result)


SHOW = {"proposal.list": listed}
