"""Retrainings on a terminal: what each step found, and what each trigger waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import clip, line, outcome, pairs, table, when

_MARKS = {"done": ("✓ ", "green"), "stopped": ("■ ", "red")}


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [row["id"], row["state"], f"{row['app']}@{row['environment']}", row["model"], when(row["created_at"]),
         row["created_by"], clip(row["words"], 70)]
        for row in result["retrainings"]
    ]  # fmt: skip
    empty = "no model was retrained yet: headgate retrain models/router --environment prod"
    table(screen, ["retraining", "state", "app", "model", "begun (UTC)", "by", "words"], rows, empty)


def shown(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, outcome(result["outcome"]), (str(result["state"]), "bold"), f"  {result['words']}")
    for step in result["steps"]:
        line(screen, _MARKS[step["state"]], (f"{step['name']:<10} ", "dim"), str(step["words"]))
        for conflict in step["facts"].get("conflicts", [])[:10]:
            told = f"             {conflict['label']}: “{clip(conflict['text'], 60)}” {conflict['why']}"
            line(screen, (told, "yellow"))
    names = ("id", "app", "environment", "model", "candidate", "created_by", "created_at")
    pairs(screen, {name: result[name] for name in names})


def due(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [f"{row['app']}@{row['environment']}", row["model"], "due" if row["ready"] else "not yet", row["new_labels"],
         row["open_questions"], row["words"]]
        for row in result["triggers"]
    ]  # fmt: skip
    empty = "nothing is retrained by itself: write `retrain:` into an environment of headgate.yaml and apply it"
    table(screen, ["app", "model", "state", "new labels", "open questions", "why"], rows, empty)


SHOW = {"retraining.list": listed, "retraining.show": shown, "retraining.triggers": due}
