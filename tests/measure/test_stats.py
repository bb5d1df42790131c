"""Intervals against published values and against brute force."""

from __future__ import annotations

import math
import random

import pytest

from headgate.kernel import InvalidInput
from headgate.measure import (
    deciding_cases,
    mean_interval,
    needed_cases,
    paired_difference,
    quantile_interval,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (60, 60, 0.9398, 1.0),
        (190, 200, 0.9104, 0.9726),
    ],
)
def test_wilson_gives_the_published_intervals(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_wilson_of_nothing_is_everything_and_nonsense_is_refused() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
    with pytest.raises(InvalidInput):
        wilson(3, 2)


@pytest.mark.parametrize(("share", "n"), [(0.95, 73), (0.99, 381), (0.9, 35), (0.5, 4)])
def test_needed_cases_is_the_first_size_that_can_pass(share: float, n: int) -> None:
    assert needed_cases(at_least=share) == n
    assert needed_cases(at_most=1 - share) == n
    assert wilson(n, n).low >= share > wilson(n - 1, n - 1).low


def test_needed_cases_of_two_percent_is_189_and_of_certainty_is_refused() -> None:
    assert needed_cases(at_most=0.02) == 189
    with pytest.raises(InvalidInput, match="certainty"):
        needed_cases(at_least=1.0)


def test_paired_difference_is_bonett_and_prices() -> None:
    # by hand: p12 = 8/42, p21 = 3/42; difference 5/42; half = z * sqrt((11/42 - (5/42)^2) / 42)
    found = paired_difference(7, 2, 40)
    half = 1.959964 * math.sqrt((11 / 42 - (5 / 42) ** 2) / 42)
    assert found.low == pytest.approx(5 / 42 - half)
    assert found.high == pytest.approx(5 / 42 + half)


def test_paired_difference_is_symmetric_and_bounded() -> None:
    a, b = paired_difference(9, 1, 30), paired_difference(1, 9, 30)
    assert (a.low, a.high) == pytest.approx((-b.high, -b.low))
    assert paired_difference(0, 0, 0).low == -1.0
    with pytest.raises(InvalidInput):
        paired_difference(5, 6, 10)


def test_sixty_unchanged_pairs_hold_a_margin_of_five_points() -> None:
    assert paired_difference(0, 0, 60).low > -0.05
    assert paired_difference(0, 0, 30).low < -0.05


def test_quantile_interval_uses_the_exact_ranks() -> None:
    # Conover, Practical Nonparametric Statistics: median of 16 values lies between the 4th and the 13th (95.7 %)
    found = quantile_interval(list(range(1, 17)), 0.5)
    assert (found.low, found.high) == (4.0, 13.0)


def test_quantile_interval_covers_as_often_as_it_says() -> None:
    chance = random.Random(7)
    inside = 0
    for _ in range(400):
        found = quantile_interval([chance.random() for _ in range(120)], 0.9)
        inside += found.low <= 0.9 <= found.high
    assert inside / 400 >= 0.93


def test_small_samples_give_their_ends_and_large_ones_agree_with_the_exact_ranks() -> None:
    small = quantile_interval([3.0, 1.0, 2.0], 0.5)
    assert (small.low, small.high) == (1.0, 3.0)
    large = quantile_interval(list(range(1, 2001)), 0.95)
    larger = quantile_interval(list(range(1, 2002)), 0.95)
    assert abs(large.low - larger.low) <= 3
    assert abs(large.high - larger.high) <= 3
    with pytest.raises(InvalidInput):
        quantile_interval([], 0.5)


def test_mean_interval_is_students() -> None:
    stats = pytest.importorskip("scipy.stats")
    chance = random.Random(3)
    for n in (2, 5, 11, 12, 40, 400):
        values = [chance.gauss(10, 3) for _ in range(n)]
        found = mean_interval(values)
        mean, error = sum(values) / n, stats.sem(values)
        low, high = stats.t.interval(0.95, n - 1, loc=mean, scale=error)
        assert found.low == pytest.approx(low, rel=2e-4, abs=2e-4)
        assert found.high == pytest.approx(high, rel=2e-4, abs=2e-4)
    assert mean_interval([4.0]).low == mean_interval([4.0]).high == 4.0


@pytest.mark.parametrize(("share", "bar"), [(0.93, 0.9), (0.86, 0.9), (1.0, 0.95), (0.5, 0.4), (0.02, 0.1)])
def test_that_many_cases_decide_and_far_fewer_do_not(share: float, bar: float) -> None:
    enough = deciding_cases(share, bar)
    assert enough is not None

    def apart(n: int) -> bool:
        """Whether the bar lies outside the interval; the share is rounded away from the bar, as the nearest count."""
        good = math.ceil(share * n) if share > bar else math.floor(share * n)
        found = wilson(good, n)
        return found.low >= bar if share > bar else found.high < bar

    assert apart(enough + 1)
    fewer = enough * 2 // 3
    assert wilson(round(share * fewer), fewer).low < bar < wilson(round(share * fewer), fewer).high


def test_a_share_that_is_the_bar_is_decided_by_no_number() -> None:
    assert deciding_cases(0.9, 0.9) is None
