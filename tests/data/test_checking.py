"""Checking a batch: every rule finds its mistake, with line and column, and nothing else is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate import data
from headgate.data import Report
from headgate.data.values import sample

TEMPLATE = Path(data.__file__).parents[1] / "templates" / "support"


def report(desk: Any, file: str | None = None) -> Report:
    return data.validate(desk, data.DataValidate(dataset="data/orders", file=file))


def test_a_good_batch_passes_with_typed_values(desk: Any) -> None:
    found = report(desk)
    assert (found.outcome, found.rows, found.found, found.problems, found.warnings) == ("pass", 3, 0, [], [])
    assert data.read_batch(desk.root, "data/orders").rows[0] == {
        "text": "please, send it back", "kind": "refund", "amount": 9.5, "count": 1, "express": True,
        "day": "2026-02-03", "code": "AB1",
    }  # fmt: skip
    assert data.read_batch(desk.root, "data/orders").rows[2]["code"] is None


MISTAKES = [
    ("missing", "where is my parcel", "", 3, "text", "required", "is missing"),
    ("blank", "where is my parcel", '"   "', 3, "text", "required", "is missing"),
    ("not in the list", "refund", "return", 2, "kind", "in", "'return' is none of the 2 values"),
    ("range below", ",0,", ",-1,", 3, "amount", "range", "-1 is outside 0 to 100"),
    ("range above", ",100,", ",100.5,", 4, "amount", "range", "100.5 is outside"),
    ("not a number", "9.5", "nine", 2, "amount", "type", "expected a number, found 'nine'"),
    ("no number at all", "9.5", "nan", 2, "amount", "type", "expected a number"),
    ("underscored", "9.5", "1_0", 2, "amount", "type", "expected a number"),
    ("not whole", ",1,true", ",1.5,true", 2, "count", "type", "expected a whole number"),
    ("too large", ",1,true", ",9007199254740993,true", 2, "count", "type", "up to 9007199254740991"),
    ("not true or false", "true", "perhaps", 2, "express", "type", "expected true or false"),
    ("no date", "2026-02-03", "2026-02-30", 2, "day", "type", "expected a date"),
    ("too early", "2026-02-03", "2025-12-31", 2, "day", "range", "2025-12-31 is outside"),
    ("pattern", "AB1", "AB1 ", 2, "code", "pattern", "does not fit the pattern"),
    ("short", "where is my parcel", "w", 3, "text", "length", "has 1 characters, expected 2 to 60"),
    ("long", "where is my parcel", "w" * 61, 3, "text", "length", "has 61 characters"),
    ("twice", "where is my parcel", '"please, send it back"', 3, "text", "unique", "the same as in line 2"),
    ("ragged", ",AB1", ",AB1,more", 2, None, "row", "has 8 values, expected 7"),
    ("few", "a third one,order,100,3,0,,\n", "", None, None, "", ""),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[0])
def test_each_rule_finds_its_mistake_and_no_other(desk: Any, mistake: tuple[Any, ...]) -> None:
    name, old, new, line, column, rule, says = mistake
    desk.edit("data/orders.csv", old, new)
    found = report(desk)
    if name == "few":
        assert found.outcome == "pass"
        return
    assert (found.outcome, found.found) == ("fail", 1)
    problem = found.problems[0]
    assert (problem.line, problem.column, problem.rule) == (line, column, rule)
    assert says in problem.message
    assert found.counts == {f"{column}: {rule}" if column else rule: 1}


def test_counts_of_rows_and_of_missing_values_belong_to_the_batch(desk: Any) -> None:
    desk.edit("data/orders.csv", "a third one,order,100,3,0,,\n", "")
    desk.edit("data/orders.yaml", "min: 2, max: 10", "min: 3")
    desk.edit("data/orders.csv", ",1,true", ",,true")
    found = report(desk)
    assert found.counts == {"count: missing": 1, "rows": 1}
    assert {str(problem) for problem in found.problems} == {
        "count: 2 of 2 values are missing, at most 50.0% may be",
        "there are 2 rows, expected at least 3",
    }


def test_columns_that_lack_and_columns_nobody_described(desk: Any) -> None:
    desk.edit("data/orders.csv", "text,kind,amount,count,express", "text,sort,amount,number,express")
    found = report(desk)
    assert found.counts == {"kind: column": 1, "count: column": 1}
    assert {(warning.column, warning.rule) for warning in found.warnings} == {
        ("sort", "described"), ("number", "described"), ("kind", "column"), ("count", "column"),
    }  # fmt: skip


def test_all_problems_are_counted_and_a_hundred_kept(desk: Any) -> None:
    rows = "".join(f"text {index},other,1,1,1,,\n" for index in range(300))
    desk.write("data/orders.csv", "text,kind,amount,count,express,day,code\n" + rows)
    found = report(desk)
    assert (found.found, len(found.problems), found.counts["kind: in"]) == (301, 100, 300)


def test_lines_are_those_of_the_file_also_after_quoted_line_ends(desk: Any) -> None:
    desk.edit("data/orders.csv", "please, send it back", "please,\nsend it\nback")
    desk.edit("data/orders.csv", "where is my parcel,order", "where is my parcel,other")
    assert [problem.line for problem in report(desk).problems] == [5]


def test_personal_data_is_masked_in_samples(desk: Any) -> None:
    desk.edit(
        "data/orders.csv", "where is my parcel", "mail person_a.l@example.com or call +44 20 7946 0958 " + "please " * 9
    )
    shown = report(desk).problems[0].value
    assert "example.com" not in shown
    assert "7946" not in shown
    assert len(shown) <= 41
    assert sample("order 7") == "order 7"


NEAR = "Could you please tell me where my parcel is today"


@pytest.mark.parametrize(
    ("other", "near"),
    [
        ("could you please tell me, where MY parcel is today?", True),
        ("Could you please tell me where the parcel is today", True),
        ("Could you please tell me where my parcel is", True),
        ("Could you please now tell me where my parcel is today", True),
        ("Could you please tell me where her package is today", False),
        ("Something else entirely is asked in this long text", False),
    ],
)
def test_texts_that_differ_by_one_word_are_warned_about(desk: Any, other: str, near: bool) -> None:
    desk.edit("data/orders.csv", "where is my parcel", NEAR)
    desk.edit("data/orders.csv", "a third one", f'"{other}"')
    found = report(desk)
    assert found.outcome == "pass"
    assert [(warning.line, warning.rule) for warning in found.warnings] == ([(4, "near-duplicate")] if near else [])


def test_short_texts_are_near_only_when_their_words_are_equal(desk: Any) -> None:
    desk.edit("data/orders.csv", "where is my parcel", "my bill")
    desk.edit("data/orders.csv", "a third one", "my plan")
    assert report(desk).warnings == []
    desk.edit("data/orders.csv", "my plan", "My bill!")
    assert len(report(desk).warnings) == 1


def test_the_templates_data_passes_and_its_bad_batch_does_not() -> None:
    if not (TEMPLATE / "data/utterances.csv").exists():
        pytest.skip("the template has no data yet")
    assert data.read_batch(TEMPLATE, "data/utterances").report.outcome == "pass"
    found = data.read_batch(TEMPLATE, "data/utterances", "demo/bad_batch.csv").report
    assert {name: count for name, count in found.counts.items() if name != "rows"} == {
        "channel: in": 1, "intent: in": 1, "text: length": 1, "text: required": 1, "text: unique": 1,
    }  # fmt: skip
