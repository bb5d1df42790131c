"""The tensors of the Open Inference Protocol, as JSON and as the binary extension, to rows and back. Called by
`open_inference`.

One clear message for whatever does not fit the model's inputs. Source: the protocol's REST specification and Triton's
binary tensor data extension; bytes are little-endian, a text is its length in four bytes and then itself.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.kernel import InvalidInput, nearest

NUMBERS = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i",
    "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
"""The datatypes that a number may come in, and how their bytes are read."""
_WHOLE = frozenset(name for name in NUMBERS if "INT" in name)
_REAL: frozenset[type] = frozenset({float, int, type(None)})
_ALLOWED: dict[str, frozenset[type]] = {
    **dict.fromkeys(NUMBERS, _REAL), **dict.fromkeys(_WHOLE, frozenset({int})), "BOOL": frozenset({bool}),
}  # fmt: skip
_TEXTS = frozenset({str, type(None)})


def rows_of(tensors: Any, binary: bytes, inputs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return a request's rows: each of the model's `inputs` (name, type) to its value; None for what is missing.

    binary: what follows the JSON of the body. Raises InvalidInput for tensors that are not exactly those inputs.
    """
    if not isinstance(tensors, list) or not all(isinstance(item, dict) for item in tensors):
        raise invalid("`inputs` is no list of tensors", "send one object for each input of the model")
    columns: dict[str, list[Any]] = {}
    place, sorts = 0, dict(inputs)
    for tensor in tensors:
        name = tensor.get("name")
        if not isinstance(name, str) or name not in sorts:
            raise invalid(f"the model has no input {str(name)[:80]!r}", nearest(str(name)[:80], sorts))
        if name in columns:
            raise invalid(f"the input {name!r} is there twice")
        size = _binary_size(tensor)
        if size is None:
            columns[name] = _from_json(name, sorts[name], tensor)
        else:
            columns[name] = _from_binary(name, sorts[name], tensor, _slice(name, binary, place, size))
            place += size
    if place != len(binary):
        raise invalid(f"{len(binary) - place} bytes follow the tensors", "binary_data_size must add up to them")
    for name in sorts:
        if name not in columns:
            raise invalid(f"the input {name!r} is missing", f"the model takes {', '.join(sorts)}")
    return _transposed(columns)


def _transposed(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    names, lengths = list(columns), {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise invalid("the inputs differ in length: " + ", ".join(f"{name} {n}" for name, n in lengths.items()))
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _binary_size(tensor: Mapping[str, Any]) -> int | None:
    parameters = tensor.get("parameters")
    if not isinstance(parameters, dict):
        return None
    if "shared_memory_region" in parameters:
        raise invalid("shared memory is not offered", "send the data in the body")
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise invalid(f"binary_data_size of {tensor['name']!r} is no size in bytes")
    return size


def _slice(name: str, binary: bytes, place: int, size: int) -> bytes:
    if place + size > len(binary):
        told = f"the input {name!r} should hold {size} bytes, {max(len(binary) - place, 0)} are left"
        raise invalid(told, "the header Inference-Header-Content-Length says where the JSON ends")
    return binary[place : place + size]


def _checked(name: str, sort: str, tensor: Mapping[str, Any]) -> tuple[str, int]:
    """Return a tensor's datatype and its rows: its shape is [n] or [n, 1]."""
    datatype, shape = tensor.get("datatype"), tensor.get("shape")
    fits = datatype in NUMBERS if sort == "number" else datatype == "BYTES"
    if not fits or not isinstance(datatype, str):
        wanted = "FP64 or FP32 (or an INT)" if sort == "number" else "BYTES"
        raise invalid(f"the input {name!r} takes {wanted}, not {str(datatype)[:20]!r}")
    whole = isinstance(shape, list) and all(type(length) is int and length >= 0 for length in shape)
    if not whole or not isinstance(shape, list) or len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
        raise invalid(f"the input {name!r} has the shape {str(shape)[:40]}", "its shape is [n] or [n, 1]: n rows")
    return datatype, int(shape[0])


def _from_json(name: str, sort: str, tensor: Mapping[str, Any]) -> list[Any]:
    datatype, count = _checked(name, sort, tensor)
    data = tensor.get("data")
    if not isinstance(data, list):
        raise invalid(f"the input {name!r} has no `data`", "a list of its values, row by row")
    if data and isinstance(data[0], list):
        if not all(isinstance(row, list) and len(row) == 1 for row in data):
            raise invalid(f"the rows of {name!r} are not all one value long")
        data = [row[0] for row in data]
    if len(data) != count:
        raise invalid(f"the input {name!r} says {count} rows and holds {len(data)}")
    allowed = _ALLOWED.get(datatype, _TEXTS)
    if not allowed.issuperset(map(type, data)):
        row = next(index for index, value in enumerate(data) if type(value) not in allowed)
        raise invalid(f"row {row} of {name!r} holds {str(data[row])[:40]!r}, which is no {datatype}")
    if datatype in _WHOLE and data:
        _check_range(name, datatype, data)
    return data


def _check_range(name: str, datatype: str, data: Sequence[int]) -> None:
    bits = int(datatype.rpartition("T")[2])
    low, high = (0, 2**bits) if datatype.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    for value in (min(data), max(data)):
        if not low <= value < high:
            raise invalid(f"the input {name!r} holds {value}, which is no {datatype}")


def _from_binary(name: str, sort: str, tensor: Mapping[str, Any], raw: bytes) -> list[Any]:
    datatype, count = _checked(name, sort, tensor)
    if datatype == "BYTES":
        found = _texts(name, raw)
        if len(found) != count:
            raise invalid(f"the input {name!r} says {count} rows and holds {len(found)}")
        return found
    form = NUMBERS[datatype]
    if len(raw) != count * struct.calcsize(f"<{form}"):
        raise invalid(f"{count} rows of {datatype} are not {len(raw)} bytes", f"look at the input {name!r}")
    numbers = list(struct.unpack(f"<{count}{form}", raw))
    if any(map(math.isinf, numbers)):
        raise invalid(f"row {next(i for i, value in enumerate(numbers) if math.isinf(value))} of {name!r} is infinite")
    return numbers


def _texts(name: str, raw: bytes) -> list[str]:
    found: list[str] = []
    place = 0
    while place < len(raw):
        end = place + 4 + int.from_bytes(raw[place : place + 4], "little")
        if place + 4 > len(raw) or end > len(raw):
            raise invalid(f"the text in row {len(found)} of {name!r} is cut short")
        try:
            found.append(raw[place + 4 : end].decode())
        except UnicodeDecodeError:
            raise invalid(f"the text in row {len(found)} of {name!r} is not UTF-8") from None
        place = end
    return found


def packed(datatype: str, values: Sequence[Any]) -> bytes:
    """Return flat values of a tensor as the binary extension wants them: BYTES or FP64."""
    if datatype == "BYTES":
        texts = [value.encode() for value in values]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return struct.pack(f"<{len(values)}d", *values)


def invalid(told: str, hint: str = "") -> InvalidInput:
    return InvalidInput(told, hint, code="invalid_request")
