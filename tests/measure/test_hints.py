"""What spares ordinary prose the closer look never spares a text that needs it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from headgate.measure.detect.pii import _IBAN
from headgate.measure.signs import (
    FOREIGN,
    among_digits,
    digits_in_a_row,
    has_run,
    letters_before_digits,
    may_be_hexadecimal,
    may_be_leet,
    may_be_spaced,
    odd_signs,
)
from headgate.measure.text import _HEX, _LEET, _SPACED

RUN = re.compile(r"[\w+/-]{12}")
NUMBER = re.compile(r"\d(?:[ ().\-/]*\d)*")
texts = st.text(st.sampled_from("aZ0+/_- .,\n=é9٤x:!"), max_size=80) | st.text(max_size=60)


@given(texts)
def test_a_long_run_is_seen_wherever_it_stands(text: str) -> None:
    assert has_run(text, 12) >= (RUN.search(text) is not None)
    if text.isascii() and "?" not in text:
        assert has_run(text, 12) == (re.search(r"[\w+/-]{12}", text) is not None)


@given(texts)
def test_a_sign_that_is_not_odd_is_prose(text: str) -> None:
    prose = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \t\n\r.,;:'\"()?-")
    wanted = {sign for sign in text if sign.isascii()} - prose
    assert odd_signs(text) == (wanted if text.isascii() else wanted | {FOREIGN})


@given(texts)
def test_what_may_be_there_is_there(text: str) -> None:
    assert may_be_spaced(text) >= (_SPACED.search(text) is not None)
    assert may_be_hexadecimal(text) >= (_HEX.search(text) is not None)
    assert may_be_leet(text) >= (_LEET.search(text) is not None)
    kinds = among_digits(text)
    numbers = [sum(map(str.isdecimal, found[0])) for found in NUMBER.finditer(text)]
    assert digits_in_a_row(kinds) >= next((count for count in (12, 9, 6) if max(numbers, default=0) >= count), 0)
    assert letters_before_digits(kinds) >= (_IBAN.search(text) is not None)
