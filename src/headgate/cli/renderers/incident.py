"""Incidents on a terminal, and the scenario that one becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import clip, line, outcome, pairs, table, when


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [row["id"], row["state"], when(row["opened_at"]), f"{row['app']}@{row['environment']}", row["source"],
         clip(row["title"], 70)]
        for row in result["incidents"]
    ]  # fmt: skip
    table(screen, ["incident", "state", "opened (UTC)", "app", "from", "title"], rows, "no incidents")


def shown(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, (str(result["title"]), "bold"))
    pairs(screen, {key: value for key, value in result.items() if key != "title"})


def offered(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, outcome(result["verdict"]), f"{result['scenario']} on {result['release']}")
    line(screen, f"  “{clip(result['answer'])}”")
    for score in result["scores"]:
        if not score.get("passed", True):
            line(screen, (f"  {score['name']}: {score.get('explanation', '')}", "dim"))
    if result["proposal_id"]:
        line(screen, f"offered for {result['suite']} as {result['proposal_id']}: `headgate pull` writes it")
    else:
        line(screen, ("it passes where it happened, so it would guard nothing; nothing was offered", "yellow"))


SHOW = {"incident.list": listed, "incident.show": shown, "incident.open": shown, "incident.close": shown,
        "incident.to-scenario": offered}  # fmt: skip
