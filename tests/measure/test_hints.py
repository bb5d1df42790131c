"""What spares ordinary prose the closer look never spares a text that needs it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from headgate.measure.signs import has_long_run, odd_signs

RUN = re.compile(r"[A-Za-z0-9+/_-]{12}")
RUN_ANY = re.compile(r"[\w+/-]{12}")
texts = st.text(st.sampled_from("aZ0+/_- .,\n=é9"), max_size=80) | st.text(max_size=60)


@given(texts)
def test_a_long_run_is_seen_wherever_it_stands(text: str) -> None:
    assert has_long_run(text) == ((RUN if text.isascii() else RUN_ANY).search(text) is not None)


@given(texts)
def test_a_sign_that_is_not_odd_is_prose(text: str) -> None:
    odd = odd_signs(text)
    prose = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \t\n\r.,;:'\"()?-")
    assert set(text) - prose <= odd if text.isascii() else set(map(chr, range(128))) == odd
