"""Money, time and shares: what people write, the integers that are stored, and what is shown again."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from headgate.kernel import Duration, Share, Usd
from headgate.kernel.units import duration, parse_duration, parse_share, parse_usd, usd


@pytest.mark.parametrize(
    ("written", "nano"),
    [("$0.004", 4_000_000), ("0.004", 4_000_000), (0.004, 4_000_000), (50, 50 * 10**9), ("$1,000", 10**12), (0, 0),
     ("$0.0000000001", 1), ("1e-3", 1_000_000), (" $2 ", 2 * 10**9)],
)  # fmt: skip
def test_amounts_are_read_as_nano_dollars_rounded_up(written: object, nano: int) -> None:
    assert parse_usd(written) == nano


@pytest.mark.parametrize("written", ["cheap", "", "-1", "$-0.1", "nan", "inf", True, None, "1.2.3", [], "€3"])
def test_what_is_no_amount_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="amount"):
        parse_usd(written)


@given(st.integers(0, 10**18))
def test_amounts_survive_being_shown(nano: int) -> None:
    assert parse_usd(usd(nano)) == nano
    assert "e" not in usd(nano).lower()
    assert Decimal(usd(nano)) * 10**9 == nano


@pytest.mark.parametrize(("nano", "shown"), [(4_000_000, "0.004"), (50 * 10**9, "50"), (1200, "0.0000012"), (0, "0")])
def test_amounts_are_shown_short(nano: int, shown: str) -> None:
    assert usd(nano) == shown


@pytest.mark.parametrize(
    ("written", "micros"),
    [("2s", 2_000_000), ("800ms", 800_000), ("30m", 1_800_000_000), ("1d", 86_400_000_000), ("1.5h", 5_400_000_000),
     (".5s", 500_000), ("7us", 7), (2, 2_000_000), (0.25, 250_000), (" 2 s ", 2_000_000), ("0s", 0)],
)  # fmt: skip
def test_durations_are_read_as_microseconds(written: object, micros: int) -> None:
    assert parse_duration(written) == micros


@pytest.mark.parametrize("written", ["2", "2 weeks", "s", "-2s", "", True, -1, None, "1e3s", "2S"])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(written)


@given(st.integers(0, 10**15))
def test_durations_survive_being_shown(micros: int) -> None:
    assert parse_duration(duration(micros)) == micros


@pytest.mark.parametrize(
    ("written", "share"), [("5%", 0.05), (0.05, 0.05), ("100%", 1.0), (0, 0.0), ("0.5", 0.5), (1, 1.0)]
)
def test_shares_are_read(written: object, share: float) -> None:
    assert parse_share(written) == pytest.approx(share)


@pytest.mark.parametrize("written", ["101%", 1.1, -0.1, "many", "", "nan", None, "5 %%"])
def test_what_is_no_share_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="share"):
        parse_share(written)


class Limits(BaseModel):
    cost: Usd
    wait: Duration
    part: Share


def test_fields_are_stored_as_people_write_them() -> None:
    limits = Limits.model_validate({"cost": "$0.004", "wait": "800ms", "part": "5%"})
    assert (limits.cost, limits.wait, limits.part) == (4_000_000, 800_000, 0.05)
    shown = limits.model_dump(mode="json")
    assert shown == {"cost": "$0.004", "wait": "800ms", "part": 0.05}
    assert Limits.model_validate(shown) == limits
    with pytest.raises(ValidationError):
        Limits.model_validate({"cost": "x", "wait": "1s", "part": 0})
