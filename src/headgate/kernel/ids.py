"""Names for things that are not content: sortable by time, with a prefix that says what they are."""

from __future__ import annotations

import os
import re
import secrets
import time

_DIGITS = 20
_BLOCK = 256
_PREFIXED = re.compile(r"[a-z]{2,4}_[0-9a-z]{22}")


def new_id(prefix: str) -> str:
    """Return `prefix_` + 22 characters: 48 bits of milliseconds, then 64 random bits. Sorts by time of making."""
    return f"{prefix}_{_base36(int(time.time() * 1000), 9)}{_base36(secrets.randbits(64), 13)}"


def new_trace_id() -> str:
    """Return a W3C trace id: 32 hexadecimal digits, never all zero; 48 bits of milliseconds, then 80 random bits."""
    return f"{int(time.time() * 1000):012x}{_chance.digits()}"


def new_span_id() -> str:
    """Return a W3C span id: 16 hexadecimal digits, never all zero."""
    found = _chance.digits()[:16]
    return found if found != "0000000000000000" else new_span_id()


class _Chance:
    """Random digits of the operating system, asked for many at a time: a request of its own for each id costs more
    than the rest of making it. No two threads or processes are ever given the same."""

    def __init__(self) -> None:
        self._ready: list[str] = []
        os.register_at_fork(after_in_child=self._ready.clear)

    def digits(self) -> str:
        """Return 20 hexadecimal digits."""
        while True:
            try:
                return self._ready.pop()
            except IndexError:
                fresh = os.urandom(_BLOCK * _DIGITS // 2).hex()
                self._ready += [fresh[start : start + _DIGITS] for start in range(0, len(fresh), _DIGITS)]


_chance = _Chance()


def is_id(text: str) -> bool:
    return bool(_PREFIXED.fullmatch(text))


def _base36(value: int, width: int) -> str:
    digits = ""
    while value:
        value, rest = divmod(value, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits.rjust(width, "0")[-width:]
