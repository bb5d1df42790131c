"""Quantities as people write them in YAML, and the integers that are stored: money, time, shares.

Money is nano-dollars, durations are microseconds, shares are floats in 0…1.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

NANO = 1_000_000_000
_DURATION = re.compile(r"^\s*([0-9]*\.?[0-9]+)\s*(us|ms|s|m|h|d)\s*$")
_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


def parse_usd(value: Any) -> int:
    """Read `$0.004`, `"0.004"` or a number as nano-dollars, rounded up. Raises ValueError with what was expected."""
    if isinstance(value, bool):
        raise ValueError("expected an amount such as $0.004")
    try:
        amount = Decimal(str(value).strip().removeprefix("$").replace(",", ""))
    except InvalidOperation:
        raise ValueError(f"expected an amount such as $0.004, not {value!r}") from None
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"expected an amount of zero or more, not {value!r}")
    return int((amount * NANO).to_integral_value(ROUND_CEILING))


def usd(nano: int) -> str:
    """Render nano-dollars as a decimal string of USD without exponent: `0.004`, `50`, `0.0000012`."""
    whole, rest = divmod(abs(nano), NANO)
    sign = "-" if nano < 0 else ""
    return f"{sign}{whole}.{rest:09d}".rstrip("0") if rest else f"{sign}{whole}"


def parse_duration(value: Any) -> int:
    """Read `2s`, `800ms`, `30m` as microseconds; a bare number is seconds. Raises ValueError otherwise."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return int(value * 1_000_000)
    found = _DURATION.match(str(value))
    if not found:
        raise ValueError(f"expected a duration such as 2s, 800ms or 30m, not {value!r}")
    return int(Decimal(found[1]) * _UNITS[found[2]])


def duration(micros: int) -> str:
    """Render microseconds in the largest unit that keeps it exact: `2s`, `800ms`, `30m`."""
    for unit in ("d", "h", "m", "s", "ms"):
        if micros and micros % _UNITS[unit] == 0:
            return f"{micros // _UNITS[unit]}{unit}"
    return f"{micros}us"


def parse_share(value: Any) -> float:
    """Read `5%` or `0.05` as 0.05. Raises ValueError outside 0…1."""
    text = str(value).strip()
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise ValueError(f"expected a share such as 5% or 0.05, not {value!r}") from None
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share between 0 and 1 (0% … 100%), not {value!r}")
    return share


_WRITTEN: Any = str | float
"""What an editor, or a client that knows the schema, may write for a quantity."""
Usd = Annotated[
    int,
    BeforeValidator(parse_usd, json_schema_input_type=_WRITTEN),
    PlainSerializer(lambda nano: "$" + usd(nano), return_type=str),
]
"""A pydantic field in nano-dollars, written `$0.004`."""
Duration = Annotated[
    int,
    BeforeValidator(parse_duration, json_schema_input_type=_WRITTEN),
    PlainSerializer(duration, return_type=str),
]
"""A pydantic field in microseconds, written `2s`."""
Share = Annotated[float, BeforeValidator(parse_share, json_schema_input_type=_WRITTEN)]
"""A pydantic field in 0…1, written `5%` or `0.05`."""
