"""Time, passed in and never read from the system elsewhere, so that tests own it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...


class SystemClock:
    """The machine's clocks, with nothing around them: a request looks at them thirty times."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


def iso(at: float) -> str:
    """Render epoch seconds as RFC 3339 in UTC with milliseconds: `2026-11-21T08:00:00.000Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(at: float) -> str:
    """Name the UTC day of `at`: `2026-11-21`. Budgets' windows are UTC days."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
