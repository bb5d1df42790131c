"""A clock that tests own."""

from __future__ import annotations


class FakeClock:
    """Time that moves only when told to. Starts at 2026-01-01T00:00:00Z unless told otherwise."""

    def __init__(self, now: float = 1_767_225_600.0) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass; both clocks move together."""
        self._now += seconds
        self._monotonic += seconds
