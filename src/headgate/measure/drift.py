"""Has a column moved? A window's sketch against the reference's: PSI, Kolmogorov-Smirnov, missing and new categories.

Called by `observe`. Every threshold is what the reference's own variation explains: the sampling noise of two samples
of these sizes, at a level shared by everything looked at together, and never less than an effect worth a look. So a
shuffled stream stays quiet, however many columns it has, and a huge window raises nothing over trifles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from .sketch import CategorySketch, NumberSketch, Sketch
from .stats import wilson

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

Method = Literal["psi", "ks", "missing", "new"]
State = Literal["ok", "breach", "quiet"]
ALARM = 0.001
"""How often one look may raise anything when nothing has moved, all columns and methods together."""
FLOORS: dict[Method, float] = {"psi": 0.1, "ks": 0.1, "missing": 0.05, "new": 0.01}
"""The smallest effect worth a look, in each method's unit; 0.1 is where PSI by custom begins to matter."""
_BINS = 10
_GRID = 256
_EXPECTED = 5
_SHOWN = 5
_BURST = 0.05
_POISSON = 100.0
_RANKS = {"lowest tenth": 0.1, "lower quarter": 0.25, "median": 0.5, "upper quarter": 0.75, "highest tenth": 0.9}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the reference and the window.

    rising: only more of it is of interest (how unfamiliar, say). many: a row holds any number of its categories (the
    words of a text), so the share of rows with each of them is judged by itself.
    """

    name: str
    before: Sketch
    now: Sketch
    rising: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """A part of a column: a category's share, or a quantile, before and now."""

    name: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one method says of one column; `value` and `threshold` are in its unit, `count` are the window's rows."""

    column: str
    method: Method
    value: float
    threshold: float
    count: int
    state: State
    moved: tuple[Moved, ...]
    words: str


@dataclass(frozen=True, slots=True)
class _Test:
    """A method ready to run: its value, and its threshold once the level of each single test is known."""

    column: Column
    method: Method
    value: float
    noise: Callable[[float], float]


def judge(columns: Sequence[Column], support: int = 50, alarm: float = ALARM) -> list[Verdict]:
    """Judge every column of a window; columns with fewer than `support` rows are quiet, whatever they hold.

    alarm: the level of the whole look; each of its tests gets an equal part (Bonferroni).
    """
    tests = [test for column in columns for test in _tests(column)]
    level = alarm / max(1, len(tests))
    return [_verdict(test, level, support) for test in tests]


def edges(reference: NumberSketch, bins: int = _BINS) -> list[float]:
    """Return the inner edges of bins that hold equal shares of the reference; fewer where values repeat."""
    return sorted(set(reference.quantiles([step / bins for step in range(1, bins)])))


def _tests(column: Column) -> Iterator[_Test]:
    """Yield what can be asked of a column; nothing when the reference or the window is empty."""
    before, now = column.before, column.now
    if not before.rows or not now.rows:
        return
    if before.present and now.present:
        if isinstance(before, NumberSketch) and isinstance(now, NumberSketch):
            if not column.rising:
                yield _psi(column, *_binned(before, now), error=before.error + now.error)
            yield _ks(column, before, now)
        elif isinstance(before, CategorySketch) and isinstance(now, CategorySketch):
            if column.many:
                yield _burst(column, before, now)
                return
            yield _psi(column, *_pooled(before, now), error=0.0)
            if not before.strange:
                yield _new(column, before, now)
    if not column.rising:
        yield _missing(column)


def _verdict(test: _Test, level: float, support: int) -> Verdict:
    now = test.column.now
    threshold = max(_BURST if test.column.many else FLOORS[test.method], test.noise(level))
    enough = now.rows >= support
    state: State = "quiet" if not enough else "breach" if test.value > threshold else "ok"
    moved = movement(test.column, test.method)
    words = _told(test.column, test.method, test.value, moved)
    return Verdict(test.column.name, test.method, test.value, threshold, now.rows, state, moved, words)


def _psi(column: Column, p: NDArray[numpy.float64], q: NDArray[numpy.float64], error: float) -> _Test:
    """Return the population stability index over counts per bin.

    Its noise is a chi-square scaled by both sample sizes (B. Yurdakul, "Statistical properties of population stability
    index", 2018); half a row is added to each bin, so that an empty one does not make it infinite.
    """
    import numpy

    n, m, bins = float(q.sum()), float(p.sum()), len(p)
    before, now = ((counts + 0.5) / (counts.sum() + 0.5 * bins) for counts in (p, q))
    value = float(numpy.sum((now - before) * numpy.log(now / before)))
    sketched = bins * bins * error * error

    def noise(level: float) -> float:
        return _chi_square(bins - 1, level) * (1 / n + 1 / m) + sketched if bins > 1 else math.inf

    return _Test(column, "psi", value, noise)


def _ks(column: Column, before: NumberSketch, now: NumberSketch) -> _Test:
    """Return the largest distance of the two cumulative distributions (one-sided for a rising column).

    Its noise is Smirnov's bound for two samples; what either sketch's ranks may be off is added to it.
    """
    import numpy

    steps = [step / _GRID for step in range(_GRID + 1)]
    points = sorted({*before.quantiles(steps), *now.quantiles(steps)})
    apart = before.cumulative(points) - now.cumulative(points)
    value = float(numpy.max(apart if column.rising else numpy.abs(apart), initial=0.0))
    scale = math.sqrt(1 / before.present + 1 / now.present)
    sides, error = (1 if column.rising else 2), before.error + now.error
    return _Test(column, "ks", value, lambda level: math.sqrt(-math.log(level / sides) / 2) * scale + error)


def _missing(column: Column) -> _Test:
    """Return by how much the share of rows without a value rose; that fewer are missing harms nobody."""
    before, now = column.before, column.now
    share = before.missing / before.rows
    rise = max(0.0, now.missing / now.rows - share)
    return _Test(column, "missing", rise, lambda level: _risen(before.missing, before.rows, now.rows, level) - share)


def _new(column: Column, before: CategorySketch, now: CategorySketch) -> _Test:
    """Return the share of rows in categories that the reference never saw.

    As many are expected as the reference has categories seen once (I. J. Good, "The population frequencies of
    species", 1953).
    """
    once = sum(count == 1 for count in before.counts.values())
    return _Test(
        column, "new", now.strange / now.present, lambda level: _risen(once, before.present, now.present, level)
    )


def _burst(column: Column, before: CategorySketch, now: CategorySketch) -> _Test:
    """Return by how much the share of rows with one category rose: of the one whose rise luck explains least.

    What the reference counted together with others counts as if it had been as common as the rarest it counted alone.
    """
    unseen = min(before.counts.values(), default=0) if before.strange else 0
    counts = {**now.counts, **dict(now.strangers(1000))}
    n, m = now.rows, before.rows

    def unlikely(name: str) -> tuple[bool, float, str]:
        expected = before.counts.get(name, unseen) * n / m
        risen = counts[name] - expected
        return risen / n > _BURST, risen / math.sqrt(expected + 1), name

    first = max(counts, key=unlikely, default="")
    old, share = before.counts.get(first, unseen), before.counts.get(first, unseen) / m
    value = max(0.0, counts.get(first, 0) / n - share)
    return _Test(column, "new", value, lambda level: _risen(old, m, n, level / max(1, len(counts))) - share)


def _risen(successes: int, m: int, n: int, level: float) -> float:
    """Return the share of `n` rows that luck may reach when `successes` of `m` rows of the reference had it."""
    mean = n * wilson(min(successes, m), m).high
    if mean > _POISSON:
        z = _z(level)
        return min(1.0, (mean + z * math.sqrt(mean * max(1e-9, 1 - mean / n)) + z * z / 6) / n)
    term = below = math.exp(-mean)
    count = 0
    while 1 - below > level / 2 and count < n:
        count += 1
        term *= mean / count
        below += term
    return min(1.0, count / n)


def _binned(before: NumberSketch, now: NumberSketch) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]]:
    """Return the counts of both in the reference's bins: ten, or fewer for a window so small that ten say nothing."""
    import numpy

    inner = edges(before, max(2, min(_BINS, now.present // _EXPECTED)))
    sides = []
    for sketch in (before, now):
        shares = numpy.diff(numpy.concatenate(([0.0], sketch.cumulative(inner), [1.0])))
        sides.append(shares * sketch.present)
    return sides[0], sides[1]


def _pooled(before: CategorySketch, now: CategorySketch) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]]:
    """Return the counts of both by category; those too rare to be judged by themselves are one, with the strangers."""
    import numpy

    pairs, rest = [], [before.strange, now.strange]
    for name, count in before.counts.items():
        if count * now.present / before.present >= _EXPECTED:
            pairs.append((count, now.counts.get(name, 0)))
        else:
            rest = [rest[0] + count, rest[1] + now.counts.get(name, 0)]
    if any(rest):
        pairs.append((rest[0], rest[1]))
    counts = numpy.asarray(pairs, dtype=numpy.float64)
    return counts[:, 0], counts[:, 1]


def movement(column: Column, method: Method) -> tuple[Moved, ...]:
    """Return what moved in a column, the most first: categories by share, or its quantiles."""
    before, now = column.before, column.now
    if method == "missing":
        return (Moved("missing", before.missing / before.rows, now.missing / now.rows),)
    if isinstance(before, NumberSketch) and isinstance(now, NumberSketch):
        ranks = tuple(_RANKS.values())
        return tuple(map(Moved, _RANKS, before.quantiles(ranks), now.quantiles(ranks)))
    assert isinstance(before, CategorySketch)
    assert isinstance(now, CategorySketch)
    strangers = {name: count / max(1, now.present) for name, count in now.strangers()}
    if method == "new" and not column.many:
        return tuple(Moved(name, 0.0, share) for name, share in list(strangers.items())[:_SHOWN])
    return shares_moved(before, now)


def shares_moved(before: CategorySketch, now: CategorySketch, most: int = _SHOWN) -> tuple[Moved, ...]:
    """Return the categories whose share of the rows changed most, strangers to the reference among them."""
    counts: Mapping[str, int] = {**now.counts, **dict(now.strangers())}
    moved = [
        Moved(name, before.counts.get(name, 0) / max(1, before.rows), count / max(1, now.rows))
        for name, count in counts.items()
    ]
    return tuple(sorted(moved, key=lambda item: (-abs(item.now - item.before), item.name))[:most])


def _told(column: Column, method: Method, value: float, moved: tuple[Moved, ...]) -> str:
    """Tell in one sentence what moved."""
    if method == "new" and not column.many:
        names = ", ".join(item.name for item in moved[:3])
        return f"{value:.1%} of rows hold what was never seen{f': {names}' if names else ''}"
    if isinstance(column.before, NumberSketch) and method != "missing":
        shown = _most_moved(column, moved)
        return f"{shown.name} {shown.before:.4g} → {shown.now:.4g}"
    return ", ".join(f"{item.name} {item.before:.0%} → {item.now:.0%}" for item in moved[:3])


def _most_moved(column: Column, moved: tuple[Moved, ...]) -> Moved:
    """Return the quantile that moved most; of a rising column the one that rose most."""
    return max(moved, key=lambda item: item.now - item.before if column.rising else abs(item.now - item.before))


def _z(level: float) -> float:
    return -NormalDist().inv_cdf(max(level, 1e-300))


def _chi_square(freedom: int, level: float) -> float:
    """Return the chi-square that is exceeded with probability `level` (Wilson and Hilferty 1931; slightly large)."""
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + _z(level) * math.sqrt(part)) ** 3)
