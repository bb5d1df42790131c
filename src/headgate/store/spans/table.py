"""The table of requests: one row each, its stages packed into a column (decision 10), the same on both databases.

`spans` and `group` call it. It has its own small schema, apart from the records' migrations, because spans live in a
file of their own. Nothing here opens a database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    BigInteger,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    select,
)
from sqlalchemy import Column as C

from headgate.kernel import RequestRecord, text_of

from .packing import clean, pack, unpack

VERSION = 1
"""The schema's version, kept in the one row of `span_schema`."""
_MOST_TEXT = 20_000
_PACKED = frozenset({"stages", "payload", "attributes"})
MARK = "\x1f"

metadata = MetaData()
schema = Table("span_schema", metadata, C("version", Integer, nullable=False))
gap = Table(
    "gap", metadata, C("id", Integer, primary_key=True), C("project_id", Text, nullable=False),
    C("since", Double, nullable=False), C("until", Double, nullable=False), C("dropped", Integer, nullable=False),
)  # fmt: skip
"""Where records are missing: what was dropped because the store could not keep up, and when."""


def _column(name: str, kind: str) -> C[Any]:
    types = {"str": Text, "int": BigInteger, "float": Double, "float | None": Double}
    return C(name, types[kind], nullable=kind.endswith("None"))


_SCALARS = tuple(item for item in fields(RequestRecord) if item.name not in {*_PACKED, "project", "trace_id"})
request = Table(
    "request", metadata, C("project_id", Text, primary_key=True), C("trace_id", Text, primary_key=True),
    *(_column(item.name, str(item.type)) for item in _SCALARS),
    C("attributes", Text, nullable=False), C("text", Text, nullable=False), C("packed", LargeBinary, nullable=False),
    C("payload", LargeBinary, nullable=False),
    Index("ix_request_at", "project_id", "at"),
    Index("ix_request_release", "project_id", "release", "at"),
    Index("ix_request_status", "project_id", "status", "at"),
)  # fmt: skip
"""`attributes` and `text` are for searching; `packed` (stages and attributes) and `payload` are compressed JSON."""
COLUMNS = tuple(column.name for column in request.c)
PROJECT, TRACE, AT = (COLUMNS.index(name) for name in ("project_id", "trace_id", "at"))
"""Where these stand in a row."""
Values = tuple[Any, ...]
_NAMES = tuple(item.name for item in _SCALARS)
TEXTS = frozenset(item.name for item in _SCALARS if str(item.type) == "str") | {"trace_id"}


def to_row(record: RequestRecord) -> Values:
    """Return the row of a record in the table's order; what JSON cannot hold becomes text, broken characters go."""
    scalars = [_clean_scalar(getattr(record, name)) for name in _NAMES]
    attributes = clean(MARK + "".join(f"{pair}{MARK}" for pair in _pairs(record.attributes)))
    text = clean("\n".join(_texts(record.payload))[:_MOST_TEXT]).casefold()
    packed = pack({"stages": record.stages, "attributes": record.attributes})
    payload = pack(record.payload) if record.payload else b""
    return clean(record.project), clean(record.trace_id), *scalars, attributes, text, packed, payload


def _clean_scalar(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def from_row(row: Row[Any]) -> RequestRecord:
    """Return the record of a row; its payload is empty when the row was read without it."""
    found = row._mapping
    packed = unpack(found["packed"])
    payload = found.get("payload")
    return RequestRecord(
        project=found["project_id"],
        trace_id=found["trace_id"],
        stages=tuple(packed["stages"]),
        attributes=packed["attributes"],
        payload=unpack(payload) if payload else {},
        **{item.name: found[item.name] for item in _SCALARS},
    )


def rows(payload: bool) -> Select[Any]:
    """Return a query of whole rows, or of rows without their payload."""
    left_out = {"text", "attributes"} if payload else {"text", "attributes", "payload"}
    return select(*(column for column in request.c if column.name not in left_out))


def _pairs(attributes: Mapping[str, Any]) -> Iterator[str]:
    for name, value in attributes.items():
        shown = ("true" if value else "false") if isinstance(value, bool) else str(value)
        yield f"{name}={shown}".replace(MARK, " ")


def _texts(payload: Mapping[str, Any]) -> Iterator[str]:
    for message in payload.get("messages") or ():
        if isinstance(message, Mapping):
            yield text_of(message.get("content"))
    answer = payload.get("answer")
    if isinstance(answer, str):
        yield answer
