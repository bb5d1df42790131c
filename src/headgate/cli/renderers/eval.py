"""Evaluations on a terminal: suite by suite, the first scenarios that did not pass and why, the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from .screen import clip, line, outcome, pairs, table

_VERDICTS = ("pass", "fail", "review", "error")
_MOST = 20


def evaluated(screen: Console, result: Mapping[str, Any]) -> None:
    """Show an evidence: counts for each suite, models, and cases that did not pass."""
    line(screen, (str(result["evidence"]), "bold"), f"  judges {result['release']}")
    summary(screen, result["summary"])
    shown = result.get("failing") or result.get("cases") or ()
    cases(screen, shown)
    more = _not_passed(result["summary"]) - len(shown)
    if result.get("failing") and more > 0:
        line(screen, (f"… and {more} more: `headgate evidence show {result['evidence']}` lists them", "dim"))
    if result.get("comparison"):
        compared(screen, result["comparison"])
    pairs(screen, {"digest": result["digest"], "resumed": "yes" if result.get("resumed") else ""})


def _not_passed(found: Mapping[str, Any]) -> int:
    return sum(suite["cases"] - suite["pass"] for suite in (found.get("suites") or {}).values())


def summary(screen: Console, found: Mapping[str, Any]) -> None:
    suites = found.get("suites") or {}
    rows = [[path, suite["cases"], *(suite[name] for name in _VERDICTS)] for path, suite in suites.items()]
    if rows:
        table(screen, ["suite", "cases", *_VERDICTS], rows)
    for path, metrics in (found.get("models") or {}).items():
        plain = {**metrics, **(metrics.get("metrics") or {})}
        shown = [f"{key} {value:.4g}" for key, value in plain.items() if isinstance(value, int | float)]
        line(screen, f"{path}  ", (", ".join(shown), "dim"))
    latency, cost = found.get("latency") or {}, found.get("cost") or {}
    if latency.get("n"):
        seconds = latency["p95"] / 1e6
        line(screen, ("95 % of answers within ", "dim"), f"{seconds:.3g} s", ("  average cost ", "dim"), _dollars(cost))


def _dollars(cost: Mapping[str, Any]) -> str:
    return f"${float(cost.get('mean') or 0) / 1e9:.6f}"


def cases(screen: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """Show cases, each with what was asked of it and did not hold."""
    for case in found:
        line(screen, outcome(case["verdict"]), (f"{case['scenario']}", "bold"), (f"  {case['suite']}", "dim"))
        line(screen, f"        “{clip(case['answer'])}”")
        for score in case["scores"]:
            if not score.get("passed", True):
                line(screen, (f"        {score['name']}: {score.get('explanation', '')}", "dim"))


def compared(screen: Console, result: Mapping[str, Any]) -> None:
    """Show two releases on the same exam."""
    line(screen, f"{result['a']} → {result['b']}: ", (result["words"], "bold"))
    rows = [
        [
            suite["suite"], suite["cases"], suite["better"], suite["worse"], suite["same"],
            f"{suite['difference']:+.3f} [{suite['low']:+.3f} … {suite['high']:+.3f}]",
        ]
        for suite in result["suites"]
    ]  # fmt: skip
    table(screen, ["suite", "cases", "better", "worse", "same", "change in pass rate"], rows)
    for change in result["changes"][:_MOST]:
        line(screen, "  ", outcome(change["change"]), change["words"])
    if len(result["changes"]) > _MOST:
        line(screen, (f"  … and {len(result['changes']) - _MOST} more; --json has all of them", "dim"))


SHOW = {"eval": evaluated}
