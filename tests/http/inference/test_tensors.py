"""Tensors to rows: every shape and datatype that fits, and one clear message for what does not."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from headgate.http.inference.tensors import NUMBERS, packed, rows_of
from headgate.kernel import InvalidInput

TEXT, NUMBER = (("text", "text"),), (("usage", "number"),)


def tensor(name: str, datatype: str, data: Any, shape: Any = None, **parameters: Any) -> dict[str, Any]:
    found = {"name": name, "datatype": datatype, "shape": [len(data)] if shape is None else shape, "data": data}
    return {**found, "parameters": parameters} if parameters else found


def binary(name: str, datatype: str, count: int, size: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [count], "parameters": {"binary_data_size": size}}


@pytest.mark.parametrize("shape", [[2], [2, 1]])
@pytest.mark.parametrize("data", [["a", "b"], [["a"], ["b"]]])
def test_texts_may_be_flat_or_a_column(shape: list[int], data: list[Any]) -> None:
    assert rows_of([tensor("text", "BYTES", data, shape)], b"", TEXT) == [{"text": "a"}, {"text": "b"}]


def test_inputs_come_in_any_order() -> None:
    inputs = (("text", "text"), ("usage", "number"))
    sent = [tensor("usage", "FP32", [1.5, 2]), tensor("text", "BYTES", ["a", "b"])]
    assert rows_of(sent, b"", inputs) == [{"usage": 1.5, "text": "a"}, {"usage": 2, "text": "b"}]


def test_null_is_a_missing_value() -> None:
    assert rows_of([tensor("usage", "FP64", [None])], b"", NUMBER) == [{"usage": None}]
    assert rows_of([tensor("text", "BYTES", [None])], b"", TEXT) == [{"text": None}]


def test_an_empty_batch_has_no_rows() -> None:
    assert rows_of([tensor("usage", "FP64", [], [0])], b"", NUMBER) == []


@pytest.mark.parametrize("datatype", sorted(NUMBERS))
def test_every_datatype_of_a_number_is_read_from_bytes(datatype: str) -> None:
    raw = struct.pack(f"<2{NUMBERS[datatype]}", 0, 1)
    assert rows_of([binary("usage", datatype, 2, len(raw))], raw, NUMBER) == [{"usage": 0}, {"usage": 1}]


def test_texts_are_read_from_bytes_and_written_so() -> None:
    raw = packed("BYTES", ["grüß", "", "x"])
    assert raw[:4] == (6).to_bytes(4, "little")
    assert rows_of([binary("text", "BYTES", 3, len(raw))], raw, TEXT) == [{"text": "grüß"}, {"text": ""}, {"text": "x"}]


def test_several_tensors_share_the_bytes_in_their_order() -> None:
    text, numbers = packed("BYTES", ["a"]), packed("FP64", [2.5])
    sent = [binary("text", "BYTES", 1, len(text)), binary("usage", "FP64", 1, len(numbers))]
    assert rows_of(sent, text + numbers, (*TEXT, *NUMBER)) == [{"text": "a", "usage": 2.5}]


def test_not_a_number_is_a_missing_value_in_bytes() -> None:
    found = rows_of([binary("usage", "FP32", 1, 4)], struct.pack("<f", math.nan), NUMBER)
    assert math.isnan(found[0]["usage"])


REFUSED = [
    ({"a": 1}, "no list of tensors"),
    ([tensor("txt", "BYTES", ["a"])], r"no input 'txt' \(did you mean 'text'\?\)"),
    ([], "the input 'text' is missing"),
    ([tensor("text", "BYTES", ["a"]), tensor("text", "BYTES", ["a"])], "there twice"),
    ([tensor("text", "FP32", [1.0])], "takes BYTES, not 'FP32'"),
    ([tensor("text", "BYTES", ["a"], [2])], "says 2 rows and holds 1"),
    ([tensor("text", "BYTES", ["a", "b"], [1, 2])], r"has the shape \[1, 2\]"),
    ([tensor("text", "BYTES", ["a"], [-1])], r"has the shape \[-1\]"),
    ([tensor("text", "BYTES", ["a"], [True])], r"has the shape \[True\]"),
    ([tensor("text", "BYTES", [["a"], ["b", "c"]], [2])], "not all one value long"),
    ([tensor("text", "BYTES", [["a"], "b"], [2])], "not all one value long"),
    ([tensor("text", "BYTES", ["a", 7])], "row 1 of 'text' holds '7', which is no BYTES"),
    ([{"name": "text", "datatype": "BYTES", "shape": [1]}], "has no `data`"),
    ([tensor("text", "BYTES", ["a"], shared_memory_region="r")], "shared memory is not offered"),
    ([tensor("text", "BYTES", ["a"], binary_data_size=-1)], "no size in bytes"),
    ([binary("text", "BYTES", 1, 5)], "should hold 5 bytes, 0 are left"),
]


@pytest.mark.parametrize(("sent", "message"), REFUSED)
def test_a_tensor_that_does_not_fit_is_told_why(sent: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        rows_of(sent, b"", TEXT)


@pytest.mark.parametrize(
    ("datatype", "data", "message"),
    [
        ("BYTES", ["1"], "takes FP64 or FP32"),
        ("BF16", [1.0], "not 'BF16'"),
        ("FP64", ["1"], "row 0 of 'usage' holds '1'"),
        ("FP64", [1.0, True], "row 1 of 'usage' holds 'True'"),
        ("INT8", [1, 2.5], "row 1 of 'usage' holds '2.5', which is no INT8"),
        ("INT8", [128], "holds 128, which is no INT8"),
        ("UINT8", [-1], "holds -1, which is no UINT8"),
        ("BOOL", [1], "which is no BOOL"),
    ],
)
def test_a_number_that_is_none_is_told_why(datatype: str, data: list[Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        rows_of([tensor("usage", datatype, data)], b"", NUMBER)


@pytest.mark.parametrize(
    ("raw", "count", "message"),
    [
        (b"\x01\x00", 1, "row 0 of 'text' is cut short"),
        (b"\x09\x00\x00\x00abc", 1, "row 0 of 'text' is cut short"),
        (b"\x01\x00\x00\x00\xff", 1, "not UTF-8"),
        (b"\x01\x00\x00\x00a", 2, "says 2 rows and holds 1"),
    ],
)
def test_bytes_of_texts_that_are_none_are_told_why(raw: bytes, count: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        rows_of([binary("text", "BYTES", count, len(raw))], raw, TEXT)


def test_bytes_of_numbers_must_be_as_many_as_their_rows_and_finite() -> None:
    with pytest.raises(InvalidInput, match="2 rows of FP32 are not 4 bytes"):
        rows_of([binary("usage", "FP32", 2, 4)], b"\0" * 4, NUMBER)
    with pytest.raises(InvalidInput, match="row 1 of 'usage' is infinite"):
        rows_of([binary("usage", "FP64", 2, 16)], struct.pack("<2d", 1, math.inf), NUMBER)


def test_bytes_that_no_tensor_claims_are_refused() -> None:
    with pytest.raises(InvalidInput, match="3 bytes follow the tensors"):
        rows_of([tensor("text", "BYTES", ["a"])], b"abc", TEXT)


def test_inputs_must_agree_on_their_length() -> None:
    with pytest.raises(InvalidInput, match="differ in length: text 1, usage 2"):
        rows_of([tensor("text", "BYTES", ["a"]), tensor("usage", "FP64", [1.0, 2.0])], b"", (*TEXT, *NUMBER))
