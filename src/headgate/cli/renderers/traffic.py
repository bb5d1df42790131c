"""Traffic on a terminal: the window in one line, its course as bars, and a table of what it was asked for by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from .screen import line, table, when

_BARS = "▁▂▃▄▅▆▇█"
_COURSES = (("requests", "requests", "cyan"), ("errors", "errors", "red"), ("blocked", "blocked", "yellow"),
            ("p95_ms", "p95", "magenta"))  # fmt: skip

_WOULD = {"block": "would have blocked", "mask": "would have masked", "error_allowed": "could not judge"}


def shown(screen: Console, result: Mapping[str, Any]) -> None:
    totals, points = result["totals"], result["points"]
    minutes = result["step_s"] // 60
    line(screen, (f"{when(result['since'])} … {when(result['until'])} UTC, a bar is {minutes} min", "dim"))
    if not totals["requests"]:
        line(screen, ("no requests in this window; `headgate serve` and send one, or look further back", "dim"))
        return
    for key, name, colour in _COURSES:
        values = [point[key] for point in points]
        if any(values):
            peak = f" at most {max(values):,.0f}{' ms' if key.endswith('_ms') else ''}"
            line(screen, f"{name:<9}", (bars(values), colour), (peak, "dim"))
    rows = [_row("all", totals), *(_row(group["name"] or "–", group) for group in result["groups"])]
    columns = [result["by"] or "", "requests", "errors", "blocked", "cost", "p50", "p95", "p99"]
    table(screen, columns, rows)
    for item in result.get("observed", ()):
        line(screen, observed(item, totals["requests"]))


def observed(item: Mapping[str, Any], requests: int) -> str:
    """Say what a guard that only observes would have done: `would have blocked 12 of 4,300 requests by injection`."""
    what = "answers to " if item["side"] == "output" else ""
    count = f"{item['requests']:,} of {requests:,} requests"
    return f"{_WOULD[item['verdict']]} {what}{count} by {item['guard']} (observed)"


def bars(values: Sequence[float]) -> str:
    """Return one character per value, as high as its share of the largest; nothing stays blank."""
    most = max(values, default=0) or 1
    return "".join(_BARS[min(7, int(8 * value / most))] if value else " " for value in values)


def _row(name: str, sums: Mapping[str, Any]) -> list[Any]:
    times = [f"{sums[key]:,.0f} ms" for key in ("p50_ms", "p95_ms", "p99_ms")]
    counts = [f"{sums[key]:,}" for key in ("requests", "errors", "blocked")]
    return [name, *counts, f"${sums['cost_usd']}", *times]


SHOW = {"traffic.show": shown}
