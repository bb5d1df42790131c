"""Limits as people write them, and the windows that they are counted in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from headgate.kernel import Rate, parse_rate, span_of, tightest, window_end, windows

NOON = datetime(2026, 12, 31, 12, 30, 15, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("written", "meant", "shown"),
    [
        ("$5/day", Rate("cost", "day", 5_000_000_000), "$5/day"),
        ("$0.50 per month", Rate("cost", "month", 500_000_000), "$0.5/month"),
        ("2.5 usd/day", Rate("cost", "day", 2_500_000_000), "$2.5/day"),
        ("60 requests/minute", Rate("requests", "minute", 60), "60 requests/minute"),
        ("60req/min", Rate("requests", "minute", 60), "60 requests/minute"),
        ("60rpm", Rate("requests", "minute", 60), "60 requests/minute"),
        ("100k TPM", Rate("tokens", "minute", 100_000), "100000 tokens/minute"),
        ("1.5M tokens/day", Rate("tokens", "day", 1_500_000), "1500000 tokens/day"),
        ("1,000 requests a day", Rate("requests", "day", 1_000), "1000 requests/day"),
        ("1 step/day", Rate("steps", "day", 1), "1 step/day"),
        ("0 requests/day", Rate("requests", "day", 0), "0 requests/day"),
    ],
)
def test_limits_are_read_as_people_write_them(written: str, meant: Rate, shown: str) -> None:
    assert parse_rate(written) == meant
    assert str(meant) == shown
    assert parse_rate(shown) == meant


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("60", "such as"),
        ("60 requests", "such as"),
        ("60 requests/hour", "per minute, day or month"),
        ("60 requets/minute", "did you mean 'requests'"),
        ("60 requests/mnth", "did you mean 'month'"),
        ("0.5 requests/day", "only money has fractions"),
        ("$5 requests/day", "such as"),
        ("-5 requests/day", "such as"),
        ("9999999999999999 M tokens/day", "too large"),
        ("", "such as"),
    ],
)
def test_what_is_no_limit_is_told(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_rate(written)


def test_windows_are_utc_minutes_days_and_months() -> None:
    now = windows(NOON)
    assert (now.minute, now.day, now.month) == ("2026-12-31T12:30", "2026-12-31", "2026-12")
    ends = [window_end(name) for name in (now.minute, now.day, now.month)]
    assert ends == [
        datetime(2026, 12, 31, 12, 31, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ]
    assert [span_of(name) for name in (now.minute, now.day, now.month)] == ["minute", "day", "month"]


def test_of_two_limits_of_one_sort_the_smaller_holds() -> None:
    found = tightest([Rate("cost", "day", 5), Rate("cost", "month", 9), Rate("cost", "day", 3)])
    assert found == (Rate("cost", "day", 3), Rate("cost", "month", 9))
