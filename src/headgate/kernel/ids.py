"""Names for things that are not content: sortable by time, with a prefix that says what they are."""

from __future__ import annotations

import re
import secrets
import time

_PREFIXED = re.compile(r"[a-z]{2,4}_[0-9a-z]{22}")


def new_id(prefix: str) -> str:
    """Return `prefix_` + 22 characters: 48 bits of milliseconds, then 64 random bits. Sorts by time of making."""
    return f"{prefix}_{_base36(int(time.time() * 1000), 9)}{_base36(secrets.randbits(64), 13)}"


def new_trace_id() -> str:
    """Return a W3C trace id: 32 hexadecimal digits, never all zero."""
    return f"{int(time.time() * 1000):012x}{secrets.token_hex(10)}"


def new_span_id() -> str:
    """Return a W3C span id: 16 hexadecimal digits, never all zero."""
    return f"{secrets.randbits(63) + 1:016x}"


def is_id(text: str) -> bool:
    return bool(_PREFIXED.fullmatch(text))


def _base36(value: int, width: int) -> str:
    digits = ""
    while value:
        value, rest = divmod(value, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits.rjust(width, "0")[-width:]
