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
            _waiting(screen, row, row["pending"])
        moves = [[move["generation"], move["action"], move["stable"], move["person"], at(move["at"])]
                 for move in row["history"]]  # fmt: skip
        if moves:
            table(screen, ["generation", "action", "release", "by", "at"], moves)


def _waiting(screen: Console, row: Mapping[str, Any], waiting: Mapping[str, Any]) -> None:
    line(screen, ("  waiting ", "yellow"), waiting["rules_digest"], f" proposed by {waiting['by']}:")
    before, after = set(row["rules"]), set(waiting["rules"])
    for mark, rules in (("+", after - before), ("-", before - after)):
        for rule in sorted(rules):
            line(screen, (f"  {mark} {rule}", "yellow"))
    if waiting["approvals"] != row["approvals"]:
        line(screen, (f"  approvals {row['approvals']} → {waiting['approvals']}", "yellow"))
    words = f"{row['app']} {row['environment']} {waiting['rules_digest']}"
    line(screen, f"  somebody else agrees with: headgate environment approve {words}")


def applied(screen: Console, result: Mapping[str, Any]) -> None:
    for row in result["environments"]:
        state = row["state"]
        line(screen, (f"{state:<10}", STYLES.get(state, "dim")), f"{row['app']}@{row['environment']}: {row['words']}")


def approved(screen: Console, result: Mapping[str, Any]) -> None:
    applied(screen, {"environments": [result]})


SHOW = {"environment.show": shown, "environment.apply": applied, "environment.approve": approved}
