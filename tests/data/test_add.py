"""`data add`, `validate` and `show`: a good batch is locked, a bad one changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate import data
from headgate.artifacts import FILE, Lock
from headgate.kernel import InvalidInput, Kind, NotFound, blob_digest, plugins


def add(desk: Any) -> data.DataAdded:
    return data.add(desk, data.DataAdd(dataset="data/orders"))


def show(desk: Any) -> data.DataShown:
    return data.show(desk, data.DataShow(dataset="data/orders"))


def locked(root: Path, allow_stale: bool = False) -> str:
    kind: Kind = plugins.load("kinds", "dataset")
    assert kind.locked is not None
    return kind.locked(root, "data/orders", allow_stale)


def test_a_good_batch_is_registered_and_locked(desk: Any) -> None:
    added = add(desk)
    assert (added.new, added.previous, added.rows) == (True, None, 3)
    entry = Lock.read(desk.root).dataset("data/orders")
    assert entry is not None
    assert (entry.digest, entry.source, entry.rows) == (added.digest, "data/orders.csv", 3)
    shown = desk.call("artifact.show", {"name": "data/orders"})
    assert shown["digest"] == added.digest
    assert shown["document"]["rows"] == 3
    assert shown["document"]["columns"][2] == {"name": "amount", "type": "number"}
    content = desk.store.blobs.get(shown["document"]["file"])
    rows = data.decode_rows(content)
    assert rows[1] == {
        "text": "where is my parcel", "kind": "order", "amount": 0, "count": None, "express": False,
        "day": "2026-11-21", "code": "XY22",
    }  # fmt: skip
    assert blob_digest(data.encode_rows(rows)) == shown["document"]["file"]


@pytest.mark.parametrize("value", [1e16, -1e20, 1e21, 5e-324, 0.1, 2**53 - 1, -0.0])
def test_numbers_of_any_size_come_back(value: float) -> None:
    content = data.encode_rows([{"a": value}])
    assert data.decode_rows(content) == [{"a": value}]
    assert data.encode_rows(data.decode_rows(content)) == content


def test_adding_again_changes_nothing(desk: Any) -> None:
    first = add(desk)
    before = (desk.root / FILE).read_bytes()
    again = add(desk)
    assert (again.digest, again.new, again.previous) == (first.digest, False, first.digest)
    assert (desk.root / FILE).read_bytes() == before


def test_a_bad_batch_is_refused_and_the_last_good_version_stays(desk: Any) -> None:
    good = add(desk)
    before = (desk.root / FILE).read_bytes()
    rows = "".join(f"text {index},other,1,1,1,,\n" for index in range(14))
    desk.write("data/orders.csv", (desk.root / "data/orders.csv").read_text() + rows)
    with pytest.raises(InvalidInput) as caught:
        add(desk)
    problem = caught.value
    lines = problem.message.splitlines()
    assert "15 problems" in lines[0]
    assert "the last good version stays" in lines[0]
    assert lines[2] == "  line 5, kind: 'other' is none of the 2 values expected"
    assert len(lines) == 12
    assert lines[-1] == "  … and 5 more"
    assert problem.code == "bad_batch"
    assert problem.where is not None
    assert problem.where.file == "data/orders.csv"
    assert (desk.root / FILE).read_bytes() == before
    assert len(desk.call("artifact.show", {"name": "data/orders"})["versions"]) == 1
    shown = show(desk)
    assert (shown.state, shown.rows, shown.digest) == ("changed", 3, good.digest)


def test_line_ends_marks_and_comments_make_the_same_version(desk: Any) -> None:
    first = add(desk)
    text = (desk.root / "data/orders.csv").read_text()
    (desk.root / "data/orders.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    desk.write("data/orders.yaml", "# about orders\n" + (desk.root / "data/orders.yaml").read_text())
    assert locked(desk.root) == first.digest
    assert add(desk).digest == first.digest


def test_the_same_rows_as_json_lines_are_the_same_rows(desk: Any) -> None:
    first = add(desk)
    rows = data.read_batch(desk.root, "data/orders").rows
    lines = [json.dumps({name: value for name, value in row.items() if value is not None}) for row in rows]
    desk.write("data/orders.jsonl", "\n".join(lines) + "\n")
    desk.edit("data/orders.yaml", "orders.csv", "orders.jsonl")
    assert add(desk).digest == first.digest


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("data/orders.csv", "9.5", "9.6"), ("data/orders.yaml", "max: 60", "max: 61")],
)
def test_a_change_since_is_told_unless_stale_is_allowed(desk: Any, file: str, old: str, new: str) -> None:
    digest = add(desk).digest
    desk.edit(file, old, new)
    with pytest.raises(InvalidInput, match=f"{file}: {file} changed since it was added") as caught:
        locked(desk.root)
    assert caught.value.hint == "run `headgate data add data/orders`, or use --allow-stale"
    assert locked(desk.root, allow_stale=True) == digest


def test_what_was_never_added_cannot_be_pinned(desk: Any) -> None:
    for allow in (False, True):
        with pytest.raises(InvalidInput, match="was never added"):
            locked(desk.root, allow)


def test_another_file_can_be_validated_without_adding_it(desk: Any) -> None:
    desk.write("other.csv", "text,kind,amount,count,express,day,code\nhello there,refund,1,1,1,,\nbye,what,1,1,1,,\n")
    found = data.validate(desk, data.DataValidate(dataset="data/orders", file="other.csv"))
    assert (found.outcome, found.counts) == ("fail", {"kind: in": 1})
    assert not (desk.root / FILE).exists()
    with pytest.raises(NotFound) as caught:
        data.validate(desk, data.DataValidate(dataset="data/orders", file="othr.csv"))
    assert caught.value.hint == "did you mean 'other.csv'?"


def test_show_tells_what_the_columns_hold(desk: Any) -> None:
    assert show(desk).state == "new"
    add(desk)
    shown = show(desk)
    assert (shown.state, shown.rows) == ("locked", 3)
    columns = {column.name: column for column in shown.columns}
    assert columns["amount"].model_dump(include={"least", "greatest", "mean"}) == {
        "least": 0, "greatest": 100, "mean": 36.5,
    }  # fmt: skip
    assert (columns["count"].missing, columns["count"].distinct) == (1, 2)
    assert (columns["day"].least, columns["day"].greatest) == ("2026-02-03", "2026-11-21")
    assert columns["text"].values == {}


def test_show_of_a_version_that_is_not_registered_here_says_so(desk: Any) -> None:
    add(desk)
    desk.edit("data/orders.csv", "9.5", "9.6")
    text = (
        (desk.root / FILE)
        .read_text()
        .replace(Lock.read(desk.root).datasets["data/orders"].digest, "sha256:" + "0" * 64)
    )
    desk.write(FILE, text)
    with pytest.raises(NotFound, match="no artifact"):
        show(desk)
