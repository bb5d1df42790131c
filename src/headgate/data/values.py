"""Single values: text or JSON in, a value of the expected type out. No rules here, only types."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

_INTEGER = re.compile(r"[+-]?[0-9]{1,16}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_LARGEST = 2**53 - 1
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_PERSONAL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")


def read_value(kind: str, value: Any) -> Any:
    """Return a JSON value as the expected type. Raises ValueError that says what was expected."""
    return _JSON[kind](value)


def read_text(kind: str, value: str) -> Any:
    """Return a text from a file without types as the expected type. Raises ValueError that says what was expected."""
    return _TEXT[kind](value)


def sample(value: Any) -> str:
    """Return a value as a report may show it: short, addresses and long numbers masked."""
    if not isinstance(value, str):
        return str(value)[:40]
    masked = re.sub(r"\d[\d .-]{4,}\d", lambda found: re.sub(r"\d", "#", found[0]), _PERSONAL.sub("<EMAIL>", value))
    plain = " ".join(masked.split())
    return plain if len(plain) <= 40 else f"{plain[:40]}…"


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected text")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("expected a whole number")
    if abs(value) > _LARGEST:
        raise ValueError(f"expected a whole number up to {_LARGEST}")
    return value


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("expected a number")
    return _integer(value) if isinstance(value, int) else value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _date(value: Any) -> str:
    text = str(value).strip()
    try:
        if len(text) == 10:
            return date.fromisoformat(text).isoformat()
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("expected a date such as 2026-11-21, or a time such as 2026-11-21T08:00:00Z") from None


def _text_integer(value: str) -> int:
    if not _INTEGER.fullmatch(value.strip()):
        raise ValueError("expected a whole number")
    return _integer(int(value))


def _text_number(value: str) -> int | float:
    plain = value.strip()
    if not _NUMBER.fullmatch(plain):
        raise ValueError("expected a number")
    return _number(int(plain) if _INTEGER.fullmatch(plain) else float(plain))


def _text_boolean(value: str) -> bool:
    found = _WORDS.get(value.strip().lower())
    if found is None:
        raise ValueError("expected true or false")
    return found


_JSON: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
}
_TEXT: dict[str, Callable[[str], Any]] = {
    "string": _string,
    "integer": _text_integer,
    "number": _text_number,
    "boolean": _text_boolean,
    "date": _date,
}
