"""Reading files: suffixes, encodings, limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.data import read_table
from headgate.data import table as module
from headgate.kernel import InvalidInput, NotFound


def test_text_is_read_in_normal_form(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + "name\r\ncafe\u0301\r\n".encode())
    (tmp_path / "b.CSV").write_bytes("name\ncafé\n".encode())
    first, second = (read_table(tmp_path, name) for name in ("a.csv", "b.CSV"))
    assert first.rows == second.rows == [["café"]]
    assert first.content == second.content


def test_a_suffix_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(InvalidInput, match=r"should end in \.csv, \.jsonl"):
        read_table(tmp_path, "a.xlsx")


def test_bytes_that_are_no_text_are_told_by_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"name\nfine\n\xff\xfe\n")
    with pytest.raises(InvalidInput, match="UTF-8") as caught:
        read_table(tmp_path, "a.csv")
    assert str(caught.value.where) == "a.csv:3"


def test_limits_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wide.csv").write_text(",".join(f"c{index}" for index in range(1001)) + "\n")
    with pytest.raises(InvalidInput, match="at most 1000"):
        read_table(tmp_path, "wide.csv")
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    (tmp_path / "big.csv").write_text("name\n" + "x\n" * 10)
    with pytest.raises(InvalidInput, match="larger than"):
        read_table(tmp_path, "big.csv")


def test_a_folder_and_a_missing_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/orders.csv").write_text("a\n")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_table(tmp_path, "orders.csv")
    with pytest.raises(NotFound) as caught:
        read_table(tmp_path, "data/order.csv")
    assert caught.value.hint == "did you mean 'data/orders.csv'?"
    with pytest.raises(NotFound):
        read_table(tmp_path, "nowhere/order.csv")
