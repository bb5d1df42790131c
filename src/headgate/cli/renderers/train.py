"""A training on a terminal: held-out metrics beside those of the model before, segments, the checked conversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import line, pairs, table


def segment(screen: Console, column: str, values: Mapping[str, Any]) -> None:
    """Show the metrics of each value of a column, with how many rows stand behind them."""
    metrics = sorted({name for measured in values.values() for name in measured["metrics"]})
    rows = [[name, found["n"], *(found["metrics"].get(metric) for metric in metrics)] for name, found in values.items()]
    table(screen, [column, "rows", *metrics], rows)


def trained(screen: Console, result: Mapping[str, Any]) -> None:
    state = "new version, locked" if result["new"] else "the same version as before"
    line(screen, (str(result["model"]), "bold"), f"  {result['digest']}  {state}")
    line(screen, f"trained on {result['rows']} rows, judged on {result['holdout']} held-out ones:")
    rows = []
    for name, value in result["metrics"].items():
        before = result["previous"].get(name)
        rows.append([name, f"{value:.4f}", None if before is None else f"{value - before:+.4f}"])
    table(screen, ["metric", "value", "change"], rows)
    for column, values in result["segments"].items():
        segment(screen, column, values)
    same = f"{result['equal_labels']:.2%} equal labels, largest difference {result['largest_difference']:.2g}"
    pairs(screen, {"conversion": same, "labels": len(result["labels"]), "dataset": result["dataset"]})
    for warning in result["warnings"]:
        line(screen, ("warning ", "yellow"), str(warning))


SHOW = {"train.run": trained}
