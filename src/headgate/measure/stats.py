"""Intervals, so that a gate judges what a sample can show and not its luck. All are two-sided 95 % unless asked.

Called by gates, comparisons, summaries and monitors. Plain arithmetic; no data is read here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headgate.kernel import InvalidInput

Z95 = 1.959964
_T975 = (12.706, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
"""Student's t, 0.975 quantile, for 1 … 10 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Lower and upper end, both included."""

    low: float
    high: float


def wilson(successes: int, n: int, z: float = Z95) -> Interval:
    """Return Wilson's score interval of a share; 0 … 1 when nothing was observed. (Wilson 1927.)"""
    if not 0 <= successes <= n:
        raise InvalidInput(f"{successes} of {n} is not a share")
    if n == 0:
        return Interval(0.0, 1.0)
    share, zz = successes / n, z * z
    middle = (share + zz / (2 * n)) / (1 + zz / n)
    half = z * math.sqrt(share * (1 - share) / n + zz / (4 * n * n)) / (1 + zz / n)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    return Interval(low, 1.0 if successes == n else min(1.0, middle + half))


def paired_difference(better: int, worse: int, n: int, z: float = Z95) -> Interval:
    """Return the interval of a difference of paired shares (after - before), by its discordant pairs.

    The adjusted Wald interval of Bonett and Price (2012): half a success is added to each kind of pair. -1 … 1 when
    there are no pairs.
    """
    if better < 0 or worse < 0 or better + worse > n:
        raise InvalidInput(f"{better} better and {worse} worse of {n} pairs cannot be")
    if n == 0:
        return Interval(-1.0, 1.0)
    gained, lost = (better + 1) / (n + 2), (worse + 1) / (n + 2)
    difference = gained - lost
    half = z * math.sqrt((gained + lost - difference * difference) / (n + 2))
    return Interval(max(-1.0, difference - half), min(1.0, difference + half))


def quantile_interval(values: Sequence[float], q: float, z: float = Z95) -> Interval:
    """Return the interval of a quantile by order statistics: no shape is assumed.

    Where a sample is too small for 95 %, its ends are the smallest and the largest value. Raises InvalidInput when
    there are no values or `q` is not in 0…1.
    """
    if not values or not 0 <= q <= 1:
        raise InvalidInput("a quantile needs values and a share in 0…1")
    ordered, n = sorted(values), len(values)
    low, high = _ranks(n, q) if n <= 2000 else _normal_ranks(n, q, z)
    return Interval(float(ordered[max(low, 1) - 1]), float(ordered[min(high, n) - 1]))


def mean_interval(values: Sequence[float]) -> Interval:
    """Return Student's interval of a mean; of one value the value itself. Raises InvalidInput without values."""
    n = len(values)
    if n == 0:
        raise InvalidInput("a mean needs values")
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(float(mean), float(mean))
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = _t975(n - 1) * spread / math.sqrt(n)
    return Interval(mean - half, mean + half)


def needed_cases(at_least: float | None = None, at_most: float | None = None) -> int:
    """Return the smallest number of cases, all of them right, at which a rate rule can pass: 95 % needs 73.

    Raises InvalidInput for a rate that no sample can show (100 %, or at most 0 %): that is an exact rule.
    """
    bar = at_least if at_least is not None else 1 - (at_most if at_most is not None else 1)
    if not 0 <= bar < 1:
        raise InvalidInput("no number of cases can show a rate of 100 % with certainty", "write `failures: 0`")
    n = max(0, math.ceil(Z95 * Z95 * bar / (1 - bar)) - 1)
    while wilson(n, n).low < bar:
        n += 1
    return max(n, 1)


def deciding_cases(share: float, bar: float) -> int | None:
    """Return how many cases decide whether a share is above or below a bar, if the share stays what it is.

    Wilson's interval is the score test turned round, so the bar leaves it at n = z² bar (1 - bar) / (share - bar)².
    None when the share is the bar itself: no number decides that.
    """
    apart = share - bar
    return None if abs(apart) < 1e-9 else max(1, math.ceil(Z95 * Z95 * bar * (1 - bar) / (apart * apart) - 1e-9))


def _ranks(n: int, q: float) -> tuple[int, int]:
    """Return 1-based ranks whose order statistics cover a quantile: binomial tails of at most 2.5 % each."""
    below, low, high = 0.0, 0, n + 1
    for k in range(n + 1):
        below += _binomial(n, k, q)
        if below <= 0.025:
            low = k + 1
        if below >= 0.975:
            high = k + 1
            break
    return low, high


def _normal_ranks(n: int, q: float, z: float) -> tuple[int, int]:
    half = z * math.sqrt(n * q * (1 - q))
    return math.floor(n * q - half), math.ceil(n * q + half) + 1


def _binomial(n: int, k: int, q: float) -> float:
    if q in (0.0, 1.0):
        return float(k == n * q)
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(q) + (n - k) * math.log1p(-q))


def _t975(freedom: int) -> float:
    """Student's 0.975 quantile: a table, then Fisher and Cornish's expansion (error below 0.0001 from 11 on)."""
    if freedom <= len(_T975):
        return _T975[freedom - 1]
    z, v = Z95, float(freedom)
    first = (z**3 + z) / (4 * v)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v * v)
    return z + first + second + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
