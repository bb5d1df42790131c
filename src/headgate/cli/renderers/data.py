"""Datasets on a terminal: reports of batches, columns, differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import cell, line, outcome, pairs, table


def added(screen: Console, result: Mapping[str, Any]) -> None:
    state = "locked" if result["new"] else "locked already, unchanged"
    line(screen, outcome("pass"), f"{result['dataset']}: {result['rows']} rows, {state}, {result['digest']}")
    _problems(screen, result["report"], "warnings", "yellow")


def validated(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, outcome(result["outcome"]), f"{result['file']}: {result['rows']} rows, {result['found']} problems")
    _problems(screen, result, "problems", "red")
    _problems(screen, result, "warnings", "yellow")


def _problems(screen: Console, report: Mapping[str, Any], key: str, style: str) -> None:
    for problem in report[key][:20]:
        place = ", ".join(
            str(part) for part in (problem["line"] and f"line {problem['line']}", problem["column"]) if part
        )
        line(screen, (f"  {place or report['file']}: ", style), str(problem["message"]))
    if len(report[key]) > 20:
        line(screen, (f"  … and {len(report[key]) - 20} more", "dim"))


def shown(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, (str(result["dataset"]), "bold"), f"  {result['rows']} rows, {result['words']}")
    pairs(screen, {"digest": result["digest"], "source": result["source"]})
    rows = []
    for column in result["columns"]:
        extent = None if column["least"] is None else f"{cell(column['least'])} … {cell(column['greatest'])}"
        top = sorted(column["values"].items(), key=lambda item: -item[1])[:6]
        values = ", ".join(f"{name} {count}" for name, count in top) or extent
        rows.append([column["name"], column["type"], column["missing"], column["distinct"], values])
    table(screen, ["column", "type", "missing", "distinct", "values"], rows)


def compared(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, f"{result['dataset']}: {result['a']} → {result['b']}")
    for sentence in result["sentences"] or ["nothing differs"]:
        line(screen, f"  {sentence}")


SHOW = {"data.add": added, "data.validate": validated, "data.show": shown, "data.diff": compared}
