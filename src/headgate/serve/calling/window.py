"""Counts of the last seconds, in a ring of parts. Called by the breaker and the retry budget; it reads no clock."""

from __future__ import annotations


class Window:
    """Two counts over the last `span_s` seconds, forgotten a part at a time.

    A part covers span_s / parts seconds; what is older than span_s counts for at most one part longer, never shorter.
    """

    __slots__ = ("_first", "_part_s", "_parts", "_second", "_stamps")

    def __init__(self, span_s: float, parts: int = 10) -> None:
        self._parts, self._part_s = parts + 1, span_s / parts
        self._stamps = [-1] * self._parts
        self._first = [0] * self._parts
        self._second = [0] * self._parts

    def add(self, now: float, first: int, second: int) -> None:
        """Count at `now` (seconds of a monotonic clock)."""
        stamp = int(now / self._part_s)
        place = stamp % self._parts
        if self._stamps[place] != stamp:
            self._stamps[place], self._first[place], self._second[place] = stamp, first, second
            return
        self._first[place] += first
        self._second[place] += second

    def sums(self, now: float) -> tuple[int, int]:
        """Return both counts of the last `span_s` seconds."""
        oldest = max(int(now / self._part_s) - self._parts + 1, 0)
        live = [place for place, stamp in enumerate(self._stamps) if stamp >= oldest]
        return sum(self._first[place] for place in live), sum(self._second[place] for place in live)

    def clear(self) -> None:
        self._stamps = [-1] * self._parts
