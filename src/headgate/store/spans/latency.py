"""A distribution of latencies in few bytes: a histogram with bins of equal ratio, at most 5 % off, which adds up.

Called by `rollup`; whoever reads roll-ups asks it for percentiles. The bins are those of DDSketch (Masson, Rim, Lee:
DDSketch, VLDB 2019) without its collapsing: from a microsecond to centuries there are fewer than 500.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_RATIO = 1.1
"""Of neighbouring bins. A value is off by (ratio - 1) / (ratio + 1) at most: 4.8 %."""
_PER_BIN = 1 / math.log(_RATIO)
_PAIR = struct.Struct("<Hi")
_MIDDLE = 2 / (_RATIO + 1)


def bin_of(micros: int) -> int:
    """Return the bin of a latency in microseconds; what is below one microsecond is in bin 0."""
    return math.ceil(math.log(micros) * _PER_BIN) if micros > 1 else 0


def pack_bins(bins: Mapping[int, int]) -> bytes:
    """Return counts by bin as bytes; a count may be negative where something was taken back."""
    return b"".join([_PAIR.pack(number, count) for number, count in bins.items() if count])


@dataclass(frozen=True, slots=True)
class Latency:
    """How long requests took. `packed`: (bin, count) pairs, in any order, a bin as often as it came."""

    packed: bytes = b""

    @classmethod
    def total(cls, parts: Iterable[Latency]) -> Latency:
        return cls(b"".join(part.packed for part in parts))

    def percentile(self, *shares: float) -> list[int]:
        """Return the latencies in microseconds that these shares (0 … 1) of the requests did not exceed; 0 for none."""
        import numpy as np

        pairs = np.frombuffer(self.packed, dtype=[("bin", "<u2"), ("count", "<i4")])
        counts = np.cumsum(np.bincount(pairs["bin"], weights=pairs["count"]))
        if not len(counts) or counts[-1] < 1:
            return [0] * len(shares)
        ranks = np.ceil(np.clip(shares, 0, 1) * counts[-1]).clip(1)
        return [_value(int(number)) for number in np.searchsorted(counts, ranks)]


def _value(number: int) -> int:
    """Return the latency that stands for a bin: no value in it is farther off than the promised error."""
    return round(_RATIO**number * _MIDDLE) if number else 1
