"""Mistakes in an expectations file are told by file, line and key, with the nearest valid name."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.data import read_expectations
from headgate.kernel import InvalidInput, NotFound

MISTAKES = {
    "a key": ("required: true, unique", "requierd: true, unique", 3, "columns.text.requierd", "required"),
    "a type": ("type: boolean", "type: bool", 7, "columns.express.type", "boolean"),
    "top": ("rows:", "row:", 10, "row", "rows"),
    "no source": ("source: data/orders.csv\n", "", 1, "source", "missing"),
    "pattern": ("[A-Z]{2}[0-9]+", "[A-Z", 9, "columns.code", "no regular expression"),
    "range order": ("min: 0, max: 100", "min: 100, max: 0", 5, "columns.amount", "greater than its max"),
    "length order": ("min: 2, max: 60", "min: 60, max: 2", 3, "columns.text.length", "less than min"),
    "range of text": ("in: [refund, order]", "range: {min: 1}", 4, "columns.kind", "for numbers and dates"),
    "length of number": ("range: {min: 0, max: 100}", "length: {min: 1}", 5, "columns.amount", "are for texts"),
    "number in texts": ("in: [refund, order]", "in: [refund, 1]", 4, "columns.kind", "expected text"),
    "text as bound": ("min: 0, max: 100", "min: none", 5, "columns.amount", "expected a number"),
    "no date": ("min: 2026-01-01", "min: January", 8, "columns.day", "expected a date"),
    "share": ("missing: 50%", "missing: 50", 6, "columns.count.missing", "between 0 and 1"),
    "both": ("missing: 50%", "required: true, missing: 50%", 6, "columns.count", "keep either"),
    "empty list": ("in: [refund, order]", "in: []", 4, "columns.kind.in", "at least 1"),
    "rows": ("min: 2, max: 10", "min: 20, max: 10", 10, "rows", "less than min"),
    "twice": ("  day:", "  text: {}\n  day:", 8, "columns.text", "written twice"),
    "outside": ("source: data/orders.csv", "source: ../orders.csv", 1, "source", "not a path inside"),
    "absolute": ("source: data/orders.csv", "source: /etc/passwd", 1, "source", "not a path inside"),
    "backwards": ("source: data/orders.csv", "source: data\\orders.csv", 1, "source", "not a path inside"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_by_line_and_key(desk: Any, name: str) -> None:
    old, new, line, key, says = MISTAKES[name]
    desk.edit("data/orders.yaml", old, new)
    with pytest.raises(InvalidInput) as caught:
        read_expectations(desk.root, "data/orders")
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line, caught.value.where.key) == ("data/orders.yaml", line, key)
    assert says in str(caught.value)


def test_a_file_that_is_not_there_suggests_the_nearest(desk: Any) -> None:
    with pytest.raises(NotFound) as caught:
        read_expectations(desk.root, "data/order")
    assert "data/orders.yaml" in caught.value.hint


def test_comments_order_and_defaults_change_no_digest_but_rules_do(desk: Any) -> None:
    before = read_expectations(desk.root, "data/orders").digest
    desk.edit("data/orders.yaml", "rows: {min: 2, max: 10}", "rows: {max: 10, min: 2}  # a comment")
    desk.edit("data/orders.yaml", "express: {type: boolean}", "express: {type: boolean, required: false}")
    assert read_expectations(desk.root, "data/orders").digest == before
    desk.edit("data/orders.yaml", "max: 60", "max: 61")
    assert read_expectations(desk.root, "data/orders").digest != before


def test_a_link_out_of_the_project_is_refused(desk: Any, tmp_path: Any) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (desk.root / "data/orders.csv").unlink()
    (desk.root / "data/orders.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(InvalidInput, match="leads out of the project"):
        read_expectations(desk.root, "data/orders")
