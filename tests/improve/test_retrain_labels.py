"""Decided labels as rows: cleaned, told apart from what stands there, conflicts told and never overwritten."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.improve.labels import Label, Target, rows_of

TARGET = Target(("text",), "intent", ("text", "intent", "channel"))
KNOWN = [{"text": "My invoice is wrong", "intent": "billing", "channel": "chat"}]


def label(text: str, said: str, person: str = "person_a", **metadata: Any) -> Label:
    return Label("rev_1", "t1", {"text": text}, said, person, 1.0, metadata, "")


def test_a_label_is_a_row_with_what_else_is_known() -> None:
    found = rows_of([label("The drone hums", "device"), label("Hi", "smalltalk", channel="email")], KNOWN, TARGET)
    assert found.new == [
        {"text": "The drone hums", "intent": "device", "channel": None},
        {"text": "Hi", "intent": "smalltalk", "channel": "email"},
    ]
    assert found.people == {"person_a": 2}


def test_personal_data_never_becomes_a_row() -> None:
    [row] = rows_of([label("mail someone@example.com, card 4111 1111 1111 1111", "billing")], KNOWN, TARGET).new
    assert "someone" not in row["text"]
    assert "4111" not in row["text"]


@pytest.mark.parametrize("text", ["My invoice is wrong", "my  INVOICE is wrong", "my invoice is wrong "])
def test_what_stands_in_the_data_is_no_new_row(text: str) -> None:
    found = rows_of([label(text, "billing")], KNOWN, TARGET)
    assert (found.new, found.duplicates, found.conflicts) == ([], 1, [])


def test_another_label_for_a_text_that_stands_there_is_a_conflict() -> None:
    found = rows_of([label("my invoice is WRONG", "device"), label("new", "device")], KNOWN, TARGET)
    assert [row["text"] for row in found.new] == ["new"]
    [conflict] = found.conflicts
    assert conflict["why"] == "stands in the data as billing"
    assert conflict["label"] == "device"


def test_people_who_disagree_are_a_conflict_and_none_of_them_is_right() -> None:
    found = rows_of([label("It hums", "device"), label("it hums", "billing", "person_b")], KNOWN, TARGET)
    assert found.new == []
    assert [conflict["why"] for conflict in found.conflicts] == ["was labelled billing and device"] * 2


def test_people_who_agree_give_one_row() -> None:
    found = rows_of([label("It hums", "device"), label("it hums", "device", "person_b")], KNOWN, TARGET)
    assert len(found.new) == 1
    assert found.duplicates == 1


def test_who_cannot_tell_gives_no_row_and_no_conflict() -> None:
    found = rows_of([label("It hums", "unclear"), label("It hums", "device")], KNOWN, TARGET)
    assert len(found.new) == 1
    assert (found.unclear, found.conflicts) == (1, [])


def test_rows_of_numbers_are_told_apart_by_all_features() -> None:
    target = Target(("a", "b"), "y", ("a", "b", "y"))
    known = [{"a": 1.0, "b": 2.0, "y": "yes"}]
    labels = [
        Label("rev_1", "t", {"a": 1.0, "b": 3.0}, "no", "person_a", 1.0, {}, ""),
        Label("rev_2", "t", {"a": 1.0, "b": 2.0}, "no", "person_a", 1.0, {}, ""),
    ]
    found = rows_of(labels, known, target)
    assert found.new == [{"a": 1.0, "b": 3.0, "y": "no"}]
    assert [conflict["review"] for conflict in found.conflicts] == ["rev_2"]
