"""Limits as people write them: `$5/day`, `60 requests/minute`, `200k tokens/day`, `30 steps/day`; and UTC windows.

Called by whoever reads limits (contracts, keys, teams) and by the ledger, which names windows. Integers only: money is
nano-dollars. Nothing here knows who is limited.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple, cast

from pydantic import AfterValidator

from . import units
from .errors import nearest

Unit = Literal["cost", "tokens", "requests", "steps"]
Span = Literal["minute", "day", "month"]

_WRITTEN = re.compile(
    r"^\s*(\$?)\s*([0-9][0-9_,]*\.?[0-9]*|\.[0-9]+)\s*([km]?)\s*([a-z$]*)\s*(?:/|\s+per\s+|\s+a\s+)\s*([a-z]+)\s*$"
)
_SHORT = re.compile(r"^\s*([0-9][0-9_,]*\.?[0-9]*)\s*([km]?)\s*([rt])p([md])\s*$")
_UNITS: dict[str, Unit] = {
    "usd": "cost", "dollar": "cost", "dollars": "cost", "cost": "cost", "$": "cost",
    "token": "tokens", "tokens": "tokens", "tok": "tokens",
    "request": "requests", "requests": "requests", "req": "requests", "reqs": "requests",
    "step": "steps", "steps": "steps",
}  # fmt: skip
_SPANS: dict[str, Span] = {
    "minute": "minute", "min": "minute", "m": "minute", "day": "day", "d": "day", "month": "month", "mon": "month",
}  # fmt: skip
_TIMES = {"": 1, "k": 1_000, "m": 1_000_000}
_EXAMPLES = "such as $5/day, 60 requests/minute, 200k tokens/day or 30 steps/day"
_MOST = 2**62


class Rate(NamedTuple):
    """How much of a unit (nano-dollars, tokens, requests, steps) may be used in each UTC minute, day or month."""

    unit: Unit
    span: Span
    most: int

    def __str__(self) -> str:
        return f"{amount(self.unit, self.most)}/{self.span}"


class Standing(NamedTuple):
    """Where one limit stands for whoever asks: how much of it is left, until when (epoch seconds)."""

    unit: Unit
    most: int
    left: int
    resets_at: float


Rates = tuple[Rate, ...]
Scoped = tuple[tuple[str, Rates], ...]
"""Scopes (`key:<id>`, `team:<name>`) with the limits of each."""


def parse_rate(text: str) -> Rate:
    """Read a limit as people write it. Raises ValueError with what was expected and the nearest word."""
    low = str(text).lower()
    if short := _SHORT.match(low):
        number, times, what, span = short.groups()
        return Rate("requests" if what == "r" else "tokens", "minute" if span == "m" else "day", _whole(number, times))
    found = _WRITTEN.match(low)
    if found is None:
        raise ValueError(f"expected a limit {_EXAMPLES}, not {text!r}")
    dollar, number, times, name, per = found.groups()
    span_ = _SPANS.get(per)
    if span_ is None:
        raise ValueError(
            f"limits are per minute, day or month, not per {per}: {nearest(per, ('minute', 'day', 'month'))}"
        )
    unit = "cost" if dollar and not name else _UNITS.get(name)
    if unit is None or (dollar and unit != "cost"):
        hint = nearest(name, ("tokens", "requests", "steps", "usd"))
        raise ValueError(
            f"expected a limit {_EXAMPLES}, not {text!r}; {hint}" if name else f"expected a limit {_EXAMPLES}"
        )
    if unit == "cost":
        return Rate(unit, span_, _bounded(units.parse_usd(number.replace("_", "")) * _TIMES[times]))
    return Rate(unit, span_, _whole(number, times))


def _whole(number: str, times: str) -> int:
    try:
        value = Decimal(number.replace("_", "").replace(",", "")) * _TIMES[times]
    except InvalidOperation:
        raise ValueError(f"expected a limit {_EXAMPLES}") from None
    if value != int(value):
        raise ValueError("only money has fractions")
    return _bounded(int(value))


def _bounded(value: int) -> int:
    if value > _MOST:
        raise ValueError("this limit is too large to mean anything: leave it out")
    return value


def tightest(rates: Iterable[Rate]) -> Rates:
    """Return the smallest limit of each unit and span: what is limited twice has one budget."""
    least: dict[tuple[str, str], Rate] = {}
    for rate in rates:
        if (found := least.get(rate[:2])) is None or rate.most < found.most:
            least[rate[:2]] = rate
    return tuple(least.values())


def amount(unit: Unit, value: int) -> str:
    """Render an amount: `$0.004`, `60 requests`, `1 step`."""
    if unit == "cost":
        return "$" + units.usd(value)
    return f"{value} {unit[:-1] if value == 1 else unit}"


RateText = Annotated[str, AfterValidator(lambda text: str(parse_rate(text)))]
"""A pydantic field that holds a limit as text, in one spelling: `60 requests/minute`."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The UTC windows that a moment lies in, by name: `2026-11-21T09:41`, `2026-11-21`, `2026-11`."""

    minute: str
    day: str
    month: str
    number: int
    """Which minute since the epoch this is: the names hold for as long as it does."""


def windows(at: float) -> Windows:
    """Name the windows of a moment in epoch seconds."""
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M")
    return Windows(text, text[:10], text[:7], int(at // 60))


@lru_cache(maxsize=256)
def window_end(window: str) -> datetime:
    """Return when a window ends, in UTC. The name's length says which sort it is."""
    if len(window) == 7:
        began = datetime.strptime(window + "-01", "%Y-%m-%d").replace(tzinfo=UTC)
        return (began + timedelta(days=32)).replace(day=1)
    if len(window) == 10:
        return datetime.strptime(window, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    return datetime.strptime(window, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC) + timedelta(minutes=1)


def span_of(window: str) -> Span:
    """Return whether a window is a minute, a day or a month."""
    return cast(Span, {7: "month", 10: "day"}.get(len(window), "minute"))
