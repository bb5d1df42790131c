"""Questions to a person on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import cell, clip, line, pairs, table, when


def asked(question: Mapping[str, Any]) -> str:
    """Return the last thing that the user said."""
    messages = question.get("messages") or [{"content": question.get("text", "")}]
    return str(messages[-1].get("content", ""))


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [row["id"], row["kind"], row["state"], row["app"], when(row["created_at"]), clip(asked(row["question"]), 70)]
        for row in result["reviews"]
    ]
    table(screen, ["review", "kind", "state", "app", "since (UTC)", "question"], rows, "nothing waits for a person")


def shown(screen: Console, result: Mapping[str, Any]) -> None:
    pairs(screen, {key: value for key, value in result.items() if key not in ("question", "decision")})
    for message in result["question"].get("messages") or []:
        line(screen, (f"{message.get('role', ''):>10}: ", "dim"), str(message.get("content", "")))
    for key in ("text", "predicted", "confidence", "suggested", "labels"):
        if value := result["question"].get(key):
            line(screen, (f"{key:>10}: ", "dim"), cell(value))
    for key, value in (result["decision"] or {}).items():
        line(screen, (f"{key:>10}: ", "green"), str(value))


def opened(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, str(result["words"]))
    pairs(screen, {"labels": result["labels"], **result["left_out"]})
    for review in result["opened"]:
        line(screen, f"  {review}")


SHOW = {"review.ask": opened, "review.list": listed, "review.show": shown, "review.decide": shown}
