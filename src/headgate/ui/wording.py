"""How pages say things: money, durations, shares, digests, ages. Filters of the templates; they take what operations
return (times as ISO text or epoch seconds, money as decimal strings of USD, durations in milliseconds)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from headgate.kernel import short

NOTHING = "–"
_STEPS = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (float("inf"), 86_400, "d"))
_SORTS = {
    "pass": "good", "answered": "good", "ok": "good", "done": "good", "decided": "good", "promoted": "good",
    "fail": "bad", "error": "bad", "breach": "bad", "open": "bad", "failed": "bad", "error_blocked": "bad",
    "review": "warn", "held": "warn", "safe": "warn", "refused": "warn", "blocked": "warn", "block": "warn",
    "pending": "warn", "waiting": "warn", "running": "info", "queued": "info", "stopped": "warn",
    "supported": "good", "unsupported": "bad", "mask": "info", "error_allowed": "warn", "skipped": "warn",
    "up": "good", "down": "bad", "info": "info", "observed": "info",
}  # fmt: skip

_WOULD = {"block": "would have blocked", "mask": "would have masked", "error_allowed": "could not judge"}


def digest(value: str | None) -> str:
    """The twelve digits that people compare."""
    return short(value) if value else NOTHING


def money(value: Any) -> str:
    """USD with as many digits as tell something: $1 240, $3.20, $0.0042, $0.000013."""
    if value is None or value == "":
        return NOTHING
    amount = float(value)
    if amount == 0:
        return "$0"
    if abs(amount) >= 1000:
        return f"${amount:,.0f}"
    if abs(amount) >= 1:
        return f"${amount:.0f}" if amount == int(amount) else f"${amount:.2f}"
    return f"${Decimal(f'{amount:.2g}'):f}"


def duration(ms: Any) -> str:
    """Milliseconds as people say them: 0.4 ms, 12 ms, 1.3 s, 4 min."""
    if ms is None:
        return NOTHING
    value = float(ms)
    if value < 1:
        return f"{value:.2f} ms"
    if value < 10:
        return f"{value:.1f} ms"
    if value < 1000:
        return f"{value:.0f} ms"
    return f"{value / 1000:.1f} s" if value < 120_000 else f"{value / 60_000:.0f} min"


def share(value: Any) -> str:
    """A share of one as percent: 0.973 → 97.3 %."""
    if value is None:
        return NOTHING
    percent = float(value) * 100
    return f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.1f} %"


def number(value: Any) -> str:
    """A count with thin spaces, or a figure with three digits."""
    if value is None:
        return NOTHING
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else f"{value:.3g}"


def measured(value: Any, unit: str) -> str:
    """A monitor's value in its unit: share, s, USD, times; any other is a plain number."""
    if value is None:
        return NOTHING
    if unit == "share":
        return share(value)
    if unit == "s":
        return duration(float(value) * 1000)
    if unit == "times":
        return f"{float(value):.3g} ×"
    return money(value) if unit == "USD" else f"{float(value):.3g}"


def moment(value: Any) -> datetime | None:
    if value in (None, ""):
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def exact(value: Any) -> str:
    """The moment itself, UTC."""
    at = moment(value)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else NOTHING


def clock(value: Any) -> str:
    """The time of the day, UTC."""
    at = moment(value)
    return at.strftime("%H:%M:%S") if at else NOTHING


def age(value: Any, now: float) -> str:
    """How long ago, in one unit."""
    at = moment(value)
    if at is None:
        return NOTHING
    past = max(0.0, now - at.timestamp())
    for below, unit, name in _STEPS:
        if past < below:
            return "now" if name == "s" and past < 5 else f"{past / unit:.0f} {name} ago"
    raise AssertionError("the last step has no end")


def news(state: Any) -> str:
    """Which of the four sorts of news a state is: good, warn, bad, info; '' for none of them."""
    return _SORTS.get(str(state), "")


def would(verdict: str) -> str:
    """What the verdict of a guard that only observes means."""
    return _WOULD.get(verdict, verdict.replace("_", " "))


def pretty(value: Any) -> str:
    """JSON to read."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


FILTERS: dict[str, Callable[..., Any]] = {
    "digest": digest, "money": money, "duration": duration, "share": share, "number": number, "exact": exact,
    "clock": clock, "age": age, "news": news, "pretty": pretty, "measured": measured, "would": would,
}  # fmt: skip
