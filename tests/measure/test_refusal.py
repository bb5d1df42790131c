"""Refusals are recognised by what they say, and an answer that holds none of their words is spared the closer look."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.measure import is_refusal, sentences
from headgate.measure.refusal import _REFUSAL

WORDS = [
    "I",
    "we",
    "can't",
    "cannot",
    "can’t",
    "not",
    "sorry",
    "the",
    "sources",
    "do",
    "know",
    "ſorry",
    "İ",
    "\n",
    "1. ",
    ".",
]
texts = (
    st.text(max_size=80)
    | st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join)
    | st.builds(
        lambda before, said: before + said, st.sampled_from(["", "Well. ", "’Tis so. "]), st.from_regex(_REFUSAL)
    )
)


@settings(max_examples=400)
@given(texts)
def test_the_shortcut_changes_nothing(text: str) -> None:
    opening = " ".join(sentences(text[:2000])[:3]).replace("’", "'")
    assert is_refusal(text) == bool(_REFUSAL.search(opening))


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I’m unable to say.", True),
        ("The documents do not mention it.", True),
        ("We meet at nine. Bring the letter.", False),
        ("It is not far. Take the second road. Then ask. I cannot say more.", False),
    ],
)
def test_examples(text: str, refuses: bool) -> None:
    assert is_refusal(text) is refuses
