"""Every file of `data/readers/` reads its table, keeps lines, and says by line what it cannot read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.data import Reader, Table
from headgate.kernel import HeadgateError, InvalidInput, plugins

READERS = list(plugins.names("readers"))
GOOD = {
    "csv": 'name,age\nperson_a,36\n\n"O\'Neil, ""Jo""\nin two lines",\nperson_d,7\n',
    "jsonl": '{"name": "person_a", "age": "36"}\n\n{"name": "O\'Neil, \\"Jo\\"\\nin two lines"}\n\n'
    '{"age": "7", "name": "person_d"}\n',
}
LINES = {"csv": [2, 4, 6], "jsonl": [1, 3, 5]}
RAGGED = {
    "csv": ("a,b\n1,2\n1\n1,2,3\n3,4\n", [3, 4]),
    "jsonl": ('{"a": 1}\n[1]\n{"a": 1, "a": 2}\n{"a": 3}\n', [2, 3]),
}
BROKEN = {
    "csv": [("", 1), ("\n\n", 1), ("a,a\n1,2\n", 1), ("a,\n1,2\n", 1), ('a\n1\n"open\n\n', 3), ('a\n"x"y\n', 2),
            ("a\nb\0c\n", 2), ("a\n" + "x" * 200_000, 2)],
    "jsonl": [("", 1), ("\n \n", 1)],
}  # fmt: skip


def reader(name: str) -> Reader:
    loaded: Reader = plugins.load("readers", name)
    return loaded


def test_every_reader_is_tried_here() -> None:
    assert set(READERS) == GOOD.keys() == BROKEN.keys() == RAGGED.keys()


@pytest.mark.parametrize("name", READERS)
def test_it_counts_its_behaviour(name: str) -> None:
    assert isinstance(reader(name).behaviour, int)


@pytest.mark.parametrize("name", READERS)
def test_it_reads_columns_rows_and_lines(name: str) -> None:
    table = reader(name).read(GOOD[name], f"a.{name}")
    assert table.columns == ("name", "age")
    assert table.rows == [["person_a", "36"], ['O\'Neil, "Jo"\nin two lines', None], ["person_d", "7"]]
    assert table.lines == LINES[name]
    assert table.faults == []


@pytest.mark.parametrize("name", READERS)
def test_rows_that_do_not_fit_are_left_out_and_told_by_line(name: str) -> None:
    text, lines = RAGGED[name]
    table = reader(name).read(text, f"a.{name}")
    assert [fault.line for fault in table.faults] == lines
    assert len(table.rows) == 2


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_table_is_refused_by_file_and_line(name: str) -> None:
    for text, line in BROKEN[name]:
        with pytest.raises(InvalidInput) as caught:
            reader(name).read(text, f"a.{name}")
        assert str(caught.value.where) == f"a.{name}:{line}", text[:20]


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=150, deadline=None)
@given(text=st.text(st.sampled_from('a1,;\t"\n {}[]:\\\u2028é\0'), max_size=40))
def test_any_text_gives_a_table_or_one_of_our_errors(name: str, text: str) -> None:
    try:
        table: Table = reader(name).read(text, "a")
    except HeadgateError as problem:
        refused: HeadgateError | None = problem
    else:
        refused = None
        assert len(table.rows) == len(table.lines)
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert table.lines == sorted(set(table.lines))
    assert refused is None or refused.where is not None


@pytest.mark.parametrize("mark", [";", "\t"])
def test_csv_may_be_separated_as_its_header_is(mark: str) -> None:
    table = reader("csv").read(f'a{mark}b\n1{mark}"x,y"\n', "a.csv")
    assert table.rows == [["1", "x,y"]]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a": NaN}', "NaN"),
        ('{"a": 1', "not valid JSON"),
        ("[" * 100_000, "deep|not valid"),
        ('{"a": "' + "x" * 1_100_000 + '"}', "longer than 1 MiB"),
        ("3", "not a JSON object"),
    ],
)
def test_a_bad_line_of_json_is_told(line: str, says: str) -> None:
    import re

    table = reader("jsonl").read('{"a": 1}\n' + line + "\n", "a.jsonl")
    assert [fault.line for fault in table.faults] == [2]
    assert re.search(says, table.faults[0].message)
