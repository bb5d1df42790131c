"""Environments on a terminal: what each serves, which rules bind, which wait, and the last moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import STYLES, at, line, pairs, table


def shown(screen: Console, result: Mapping[str, Any]) -> None:
    if not result["environments"]:
        line(screen, "no environment has rules yet: `headgate environment apply` applies those of headgate.yaml")
    for row in result["environments"]:
        line(screen, (f"{row['app']}@{row['environment']}", "bold"), f"  generation {row['generation']}")
        serves = f"{row['stable']} since {at(row['started_at'])}" if row["stable"] else "nothing yet"
        about = {"serves": serves, "before": row["previous"], "approvals": row["approvals"], "watch": row["watch"]}
        pairs(screen, {**about, "rules by": row["rules_by"], "rules digest": row["rules_digest"]})
        for rule in row["rules"]:
            line(screen, f"  · {rule}")
        if row["pending"]:
            waiting = row["pending"]
            line(screen, ("  waiting rules ", "yellow"), str(waiting["digest"]), f" by {waiting['by']}")
            for rule in waiting["rules"]:
                line(screen, (f"  · {rule}", "yellow"))
        moves = [[move["generation"], move["action"], move["stable"], move["person"], at(move["at"])]
                 for move in row["history"]]  # fmt: skip
        if moves:
            table(screen, ["generation", "action", "release", "by", "at"], moves)


def applied(screen: Console, result: Mapping[str, Any]) -> None:
    for row in result["environments"]:
        state = row["state"]
        line(screen, (f"{state:<10}", STYLES.get(state, "dim")), f"{row['app']}@{row['environment']}: {row['words']}")


def approved(screen: Console, result: Mapping[str, Any]) -> None:
    applied(screen, {"environments": [result]})


SHOW = {"environment.show": shown, "environment.apply": applied, "environment.approve": approved}
