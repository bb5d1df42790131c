"""Is the candidate worth a release? The verdict, from pairs alone."""

from __future__ import annotations

import pytest

from headgate.improve.contest import Contest, Pairing


def pairing(rows: int, gained: int, lost: int) -> Pairing:
    return Pairing(rows, rows // 2, rows // 2 + gained - lost, gained, lost)


@pytest.mark.parametrize(
    ("overall", "new", "wins", "words"),
    [
        ((278, 2, 2), (17, 2, 1), False, "not shown to be better"),
        ((292, 15, 3), (34, 14, 1), True, "better"),
        ((290, 11, 3), (31, 11, 0), True, "better"),
        ((300, 30, 5), (0, 0, 0), True, "better"),
        ((300, 2, 20), (30, 20, 0), False, "may be worse"),
        ((60, 5, 0), (5, 5, 0), True, "better"),
        ((60, 1, 0), (1, 1, 0), False, "label more"),
        ((0, 0, 0), (0, 0, 0), False, "no held-out rows"),
    ],
)
def test_a_candidate_wins_only_when_pairs_show_it(
    overall: tuple[int, int, int], new: tuple[int, int, int], wins: bool, words: str
) -> None:
    verdict, told = Contest(pairing(*overall), pairing(*new)).verdict(0.02)
    assert verdict is wins
    assert words in told


def test_the_margin_is_the_environments_to_set() -> None:
    contest = Contest(pairing(60, 12, 3), pairing(20, 12, 0))
    assert contest.verdict(0.05)[0] is True
    worse = Contest(pairing(60, 4, 4), pairing(10, 9, 0))
    assert worse.verdict(0.02)[0] is False
    assert worse.verdict(0.2)[0] is True
