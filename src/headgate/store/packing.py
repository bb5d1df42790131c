"""A record as a row and back: narrow columns as they are, stages and payload packed (msgspec JSON, zlib)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec

from headgate.kernel import RequestRecord

_PACKED = ("stages", "payload", "attributes")
_PLAIN = tuple(field.name for field in fields(RequestRecord) if field.name not in _PACKED)
COLUMNS: Mapping[str, str] = {name: "project_id" if name == "project" else name for name in _PLAIN}
"""Attribute names that are columns of their own, as people write them in a search."""
_MOST_WORDS = 16_000


def row_of(record: RequestRecord) -> dict[str, Any]:
    """Return the narrow row."""
    row = {COLUMNS[name]: getattr(record, name) for name in _PLAIN}
    row["attributes"] = json.dumps(dict(record.attributes), separators=(",", ":"), default=str)
    return row


def pack(record: RequestRecord) -> dict[str, Any]:
    """Return the payload's row, with the words that are searched."""
    return {
        "project_id": record.project,
        "trace_id": record.trace_id,
        "stages": _squeeze(record.stages),
        "payload": _squeeze(record.payload),
        "words": " ".join(_texts(record.payload)).lower()[:_MOST_WORDS],
    }


def record_of(row: Mapping[str, Any]) -> RequestRecord:
    """Return the record of a row, whole when the row carries its payload."""
    values = {name: row[column] for name, column in COLUMNS.items()}
    return RequestRecord(
        **values,
        attributes=json.loads(row["attributes"]),
        stages=tuple(_open(row["stages"]) or ()) if row.get("stages") else (),
        payload=_open(row["payload"]) or {} if row.get("payload") else {},
    )


def _squeeze(value: Any) -> bytes:
    return zlib.compress(msgspec.json.encode(value), 1)


def _open(packed: bytes) -> Any:
    return msgspec.json.decode(zlib.decompress(packed))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [text for item in items for text in _texts(item)]
