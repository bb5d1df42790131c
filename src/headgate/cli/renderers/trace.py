"""Requests on a terminal: a list, or one request stage by stage with its conversation and sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import ENOUGH, clip, line, outcome, pairs, table, when

_BAR = 30
_ROWS = 10
_OBSERVED = {"block": "would have blocked", "mask": "would have masked", "error_allowed": "could not judge"}


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [
            row["trace_id"][:ENOUGH], when(row["at"]), _served(row),
            row["route"], row["status"], f"{row['latency_ms']:.0f} ms", f"${row['cost_usd']}", clip(row["question"], 48)
        ]
        for row in result["traces"]
    ]  # fmt: skip
    columns = ["trace", "at (UTC)", "app", "route", "status", "took", "cost", "question"]
    table(screen, columns, rows, "no requests match; `headgate serve` and send one")
    if result["dropped"]:
        line(screen, (f"{result['dropped']} requests could not be recorded", "red"))


def _served(row: Mapping[str, Any]) -> str:
    return f"{row['app']}@{row['environment'] or row['release'][7:15]}"


def shown(screen: Console, result: Mapping[str, Any]) -> None:
    """Show one request: why it ended as it did, how long each stage took, what was said."""
    row = result["summary"]
    line(screen, outcome(row["status"]), (row["trace_id"], "bold"), f"  {when(row['at'])}")
    about = {"app": f"{row['app']}@{row['environment']}", "release": row["release"], "route": row["route"]}
    about |= {"label": result["label"], "model": row["model"], "reason": row["reason"]}
    about |= {"blocked by": result["blocked_by"], "cost": f"${row['cost_usd']}", "attempts": result["attempts"]}
    about |= {"tokens": f"{result['input_tokens']} in, {result['output_tokens']} out", "grounding": row["grounding"]}
    pairs(screen, about)
    total = max((stage["start_us"] + stage["took_us"] for stage in result["stages"]), default=0) or 1
    for stage in result["stages"]:
        before, width = int(_BAR * stage["start_us"] / total), max(1, int(_BAR * stage["took_us"] / total))
        bar = f"{'·' * before}{'━' * width}"[:_BAR]
        line(screen, f"  {stage['name']:<14}", (f"{bar:<{_BAR}}", "cyan"), f" {stage['took_us'] / 1000:8.2f} ms")
        _calls(screen, stage.get("facts") or {})
    _guards(screen, result)
    payload = result["payload"]
    for message in payload.get("messages", []):
        line(screen, (f"{message.get('role', ''):>10}: ", "dim"), str(message.get("content", "")))
        _beside(screen, message)
    _rows(screen, payload, result["attributes"])
    if payload.get("answer"):
        line(screen, ("    answer: ", "dim"), str(payload["answer"]))
    _beside(screen, payload)
    for number, passage in enumerate(payload.get("passages", []), 1):
        line(screen, (f"      [{number}]   {passage['source']}  {passage.get('heading', '')}", "dim"))


def _calls(screen: Console, facts: Mapping[str, Any]) -> None:
    """Show each call of a model, and each target that was passed over: which, how it ended, and why."""
    for call in facts.get("attempts") or ():
        took = f"{call['took_us'] / 1000:.0f} ms" if call.get("took_us") else ""
        notes = [f"{name} {call[name]}" for name in ("hedge", "retry", "queued_ms") if call.get(name)]
        status = f" ({call['upstream_status']})" if call.get("upstream_status") else ""
        ended = f"{call['error']}{status}" if "error" in call else "answered"
        words = ", ".join(word for word in (ended, took, *notes, "probe" if call.get("probe") else "") if word)
        line(screen, (f"{'':4}{call.get('target', '')}: ", "dim"), (words, "red" if "error" in call else ""))
        if call.get("said"):
            line(screen, (f"{'':6}{call['said']}", "dim"))
    if "error" in facts and "attempts" not in facts:
        line(screen, (f"{'':4}{facts['error']}", "red"), (f"  {facts.get('said', '')}".rstrip(), "dim"))


def _beside(screen: Console, said: Mapping[str, Any]) -> None:
    """Show what came with a text: reasoning, calls of tools, and parts that are no text."""
    if said.get("reasoning"):
        line(screen, (" reasoning: ", "dim"), str(said["reasoning"]))
    for call in said.get("tool_calls") or ():
        line(screen, ("     calls: ", "dim"), f"{call['name']}({call['arguments']})")
    for part in said.get("parts") or ():
        where = part.get("url") or f"{part.get('characters', 0)} characters, {part.get('digest', 'too large to hash')}"
        line(screen, (f"{part['type']:>10}: ", "dim"), str(where))


def _guards(screen: Console, result: Mapping[str, Any]) -> None:
    """Show the guards that did something, and those that would have, had they not only observed."""
    for stage in result["stages"]:
        side = stage["name"].removeprefix("guard_")
        for guard, verdict in ((stage.get("facts") or {}).get("verdicts") or {}).items():
            only = f"observed.{side}.{guard}" in result["attributes"]
            if verdict not in ("pass", "skipped"):
                line(screen, (f"{guard:>10}: ", "dim"), _OBSERVED.get(verdict, verdict) if only else verdict,
                     (f" ({side}{', observed' if only else ''})", "dim"))  # fmt: skip


def _rows(screen: Console, payload: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
    """Show what a model was asked directly: the first rows, each with what it said."""
    rows, said = payload.get("rows") or [], payload.get("predictions") or []
    if not rows:
        return
    names = list(rows[0])
    cells = [
        [
            *(clip("" if row.get(name) is None else str(row[name]), 60) for name in names),
            *((said[number]["label"], f"{said[number]['confidence']:.3f}") if number < len(said) else ("", "")),
        ]
        for number, row in enumerate(rows[:_ROWS])
    ]
    table(screen, [*names, "prediction", "confidence"], cells, "")
    if (more := int(attributes.get("rows", len(rows))) - len(cells)) > 0:
        line(screen, (f"    and {more} more rows", "dim"))


SHOW = {"trace.list": listed, "trace.show": shown}
