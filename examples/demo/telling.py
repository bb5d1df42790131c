"""How the demo tells things: figures of a rule, the first line of an error, a clipped answer; and small probes."""

from __future__ import annotations

import socket
import urllib.request
from typing import Any


def figures(rule: dict[str, Any]) -> str:
    if rule.get("value") is None:
        return ""
    interval = (
        f", interval {rule['low']:.3f} … {rule['high']:.3f}" if None not in (rule.get("low"), rule.get("high")) else ""
    )
    return f": {rule['value']:.4g}{interval}, n {rule['n']}" if rule.get("n") else f": {rule['value']:.4g}{interval}"


def first_line(text: str) -> str:
    return text.strip().splitlines()[0].removeprefix("error: ") if text.strip() else ""


def clip(text: str, length: int = 110) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def why(offered: dict[str, Any]) -> str:
    return "; ".join(f"{score['name']}: {score['explanation']}" for score in offered["scores"] if not score["passed"])[
        :160
    ]


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
