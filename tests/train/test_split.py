"""The split: every label keeps its share, the same seed the same rows, and new rows disturb few."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.train.split import split

ROWS = [{"text": f"question {index}", "label": "abc"[index % 3]} for index in range(300)]


def test_every_label_keeps_its_share() -> None:
    train, held = split(ROWS, "label", ["text"], 0, 0.2)
    assert Counter(row["label"] for row in held) == {"a": 20, "b": 20, "c": 20}
    assert len(train) == 240


def test_the_seed_decides_and_the_order_of_rows_does_not() -> None:
    held = split(ROWS, "label", ["text"], 0, 0.2)[1]
    again = split(ROWS[::-1], "label", ["text"], 0, 0.2)[1]
    assert sorted(row["text"] for row in again) == sorted(row["text"] for row in held)
    assert split(ROWS, "label", ["text"], 1, 0.2)[1] != held


def test_a_few_new_rows_move_at_most_as_many() -> None:
    before = {row["text"] for row in split(ROWS, "label", ["text"], 0, 0.2)[1]}
    new = [{"text": f"new {index}", "label": "a"} for index in range(10)]
    after = {row["text"] for row in split([*ROWS, *new], "label", ["text"], 0, 0.2)[1]}
    assert len(before - after) <= 10


def test_a_labels_only_row_trains_and_of_two_one_is_held_out() -> None:
    rows = [{"text": "x", "label": "one"}, {"text": "y", "label": "two"}, {"text": "z", "label": "two"}]
    train, held = split(rows, "label", ["text"], 0, 0.2)
    assert [row["label"] for row in held] == ["two"]
    assert {row["label"] for row in train} == {"one", "two"}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=3), st.sampled_from("ab")), max_size=30), st.floats(0.01, 0.99))
def test_no_row_is_lost_or_used_twice(found: list[tuple[str, str]], share: float) -> None:
    rows = [{"text": text, "label": label, "n": str(index)} for index, (text, label) in enumerate(found)]
    train, held = split(rows, "label", ["text"], 3, share)
    assert sorted(row["n"] for row in [*train, *held]) == sorted(row["n"] for row in rows)
    assert {row["label"] for row in held} <= {row["label"] for row in train}
