"""What users say of answers, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import ENOUGH, clip, table, when


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [
            when(row["at"]), row["trace_id"][:ENOUGH], row["rating"] or "–", row["person"],
            clip(row["correction"] or "", 40), clip(row["comment"] or "", 30)
        ]
        for row in result["feedback"]
    ]  # fmt: skip
    columns = ["at (UTC)", "trace", "rating", "by", "it should say", "comment"]
    table(screen, columns, rows, "nobody said anything yet: `headgate feedback add TRACE --rating down`")


SHOW = {"feedback.list": listed}
