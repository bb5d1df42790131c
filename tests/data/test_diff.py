"""`data diff`: rows that came, went and changed, and how labels and numbers moved, in words."""

from __future__ import annotations

from typing import Any

import pytest

from headgate import data
from headgate.kernel import InvalidInput, Kind, NotFound, plugins

HEADER = "text,kind,amount,count,express,day,code\n"


def rows(kinds: str, start: int = 0, amount: str = "1") -> str:
    named = {"r": "refund", "o": "order"}
    return "".join(f"text number {start + index},{named[kind]},{amount},1,1,,\n" for index, kind in enumerate(kinds))


@pytest.fixture(autouse=True)
def _added(desk: Any) -> None:
    desk.edit("data/orders.yaml", "max: 10}", "max: 1000}")
    desk.write("data/orders.csv", HEADER + rows("ro" * 50))
    data.add(desk, data.DataAdd(dataset="data/orders"))


def diff(desk: Any, **more: Any) -> data.DataDiffResult:
    return data.diff(desk, data.DataDiff(dataset="data/orders", **more))


def test_nothing_differs_from_itself(desk: Any) -> None:
    found = diff(desk)
    assert (found.same, found.added, found.removed, found.changed, found.key) == (True, 0, 0, {}, "text")
    assert found.sentences[0].startswith("nothing differs")


def test_rows_are_told_apart_by_the_unique_column(desk: Any) -> None:
    text = HEADER + rows("oo" + "ro" * 48) + rows("rr", 200, "5")
    desk.write("data/orders.csv", text)
    found = diff(desk)
    assert (found.added, found.removed, found.changed) == (2, 2, {"kind": 1})
    assert "2 rows added" in found.sentences
    assert "2 rows removed" in found.sentences
    assert "kind changed in 1 row" in found.sentences
    assert "amount: from 1–1 to 1–5" in found.sentences


def test_a_shift_of_labels_is_told_in_words(desk: Any) -> None:
    desk.write("data/orders.csv", HEADER + rows("ro" * 50 + "r" * 50))
    told = diff(desk).sentences
    assert "kind: 'refund' 50.0% → 66.7% (+16.7 points)" in told
    assert "kind: 'order' 50.0% → 33.3% (-16.7 points)" in told


def test_new_and_lost_labels_and_missing_values_are_told(desk: Any) -> None:
    desk.edit("data/orders.yaml", "in: [refund, order]", "in: [refund, order, gift]")
    text = (HEADER + rows("ro" * 50)).replace(",order,1,", ",gift,,")
    desk.write("data/orders.csv", text)
    told = diff(desk).sentences
    assert "kind: 'gift' is new (50 rows)" in told
    assert "kind: 'order' is gone (it had 50 rows)" in told
    assert "amount: missing values 0.0% → 50.0%" in told


def test_two_registered_versions_are_compared_by_digest(desk: Any) -> None:
    first = diff(desk).a
    desk.write("data/orders.csv", HEADER + rows("ro" * 60))
    second = data.add(desk, data.DataAdd(dataset="data/orders")).digest
    assert diff(desk).same
    found = diff(desk, a=first[7:19], b=second)
    assert (found.a, found.b, found.added, found.removed) == (first, second, 20, 0)
    assert diff(desk, a=second, b=first).removed == 20
    with pytest.raises(NotFound):
        diff(desk, a="ffffffff")


def test_without_a_unique_column_rows_are_counted_whole(desk: Any) -> None:
    desk.edit("data/orders.yaml", "unique: true, ", "")
    desk.write("data/orders.csv", HEADER + rows("ro" * 50) + rows("r"))
    found = diff(desk)
    assert (found.key, found.added, found.removed, found.changed) == (None, 1, 0, {})


def test_columns_that_came_and_went_are_told(desk: Any) -> None:
    desk.write("data/orders.csv", (HEADER + rows("ro" * 50)).replace(",code\n", ",note\n"))
    told = diff(desk).sentences
    assert "the column note is new" in told
    assert "the column code is gone" in told


def test_a_file_that_breaks_its_expectations_is_compared_and_said_to(desk: Any) -> None:
    desk.write("data/orders.csv", (HEADER + rows("ro" * 50)).replace("number 7,order", "number 6,ordr"))
    found = diff(desk)
    assert (found.added, found.removed) == (1, 1)
    assert "breaks its expectations: 2 problems" in found.sentences[-1]


def test_what_was_never_added_has_nothing_to_compare(desk: Any) -> None:
    (desk.root / "headgate.lock").unlink()
    with pytest.raises(InvalidInput, match="never added"):
        diff(desk)


def test_the_kind_explains_documents(desk: Any) -> None:
    kind: Kind = plugins.load("kinds", "dataset")
    assert kind.explain is not None
    old = desk.call("artifact.show", {"name": "data/orders"})["document"]
    desk.edit("data/orders.yaml", "count: {type: integer", "count: {type: number")
    desk.write("data/orders.csv", (HEADER + rows("ro" * 51)).replace(",code\n", ",note\n"))
    new = kind.parse(desk.root, "data/orders").document
    assert kind.explain(old, old) == []
    assert kind.explain(old, new) == [
        "the column note is new", "the column code is gone", "the column count was of type integer, is number",
        "100 rows became 102",
    ]  # fmt: skip
    assert kind.explain(old, {**old, "file": "sha256:" + "0" * 64}) == ["the rows changed, there are still 100"]
