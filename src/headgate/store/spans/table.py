"""The table of requests: one row each, its stages packed into a column (decision 10), the same on both databases.

`spans` and `group` call it. It has its own small schema, apart from the records' migrations, because spans live in a
file of their own. Nothing here opens a database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from random import getrandbits
from typing import Any

from sqlalchemy import (
    BigInteger,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    select,
)
from sqlalchemy import Column as C

from headgate.kernel import RequestRecord, text_of

from .packing import clean, pack, unpack
from .words import folded

VERSION = 2
"""The schema's version, kept in the one row of `span_schema`."""
_PACKED = frozenset({"stages", "payload", "attributes"})
MARK = "\x1f"
_CHANCE_BITS = 20
_LAST_MS = 2**43 - 1

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
    "request", metadata, C("id", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    C("project_id", Text, nullable=False), C("trace_id", Text, nullable=False),
    *(_column(item.name, str(item.type)) for item in _SCALARS),
    C("attributes", Text, nullable=False), C("text", Text, nullable=False), C("packed", LargeBinary, nullable=False),
    C("payload", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id", name="pk_request").ddl_if(dialect="sqlite"),
    UniqueConstraint("project_id", "trace_id", name="uq_request_trace"),
    Index("ix_request_project", "project_id", "id"),
)  # fmt: skip
"""Ordered by time: `id` is the start in milliseconds and then chance. `attributes` and `text` (words, folded) are for
searching; `packed` (stages and attributes) and `payload` are JSON, compressed when that pays. On SQLite the id is the
row's address, and unique; in PostgreSQL it only orders."""
COLUMNS = tuple(column.name for column in request.c)
PROJECT, TRACE, AT = (COLUMNS.index(name) for name in ("project_id", "trace_id", "at"))
TEXT, ATTRIBUTES = COLUMNS.index("text"), COLUMNS.index("attributes")
"""Where these stand in a row."""
Values = tuple[Any, ...]
_NAMES = tuple(item.name for item in _SCALARS)
TEXTS = frozenset(item.name for item in _SCALARS if str(item.type) == "str") | {"trace_id"}


def id_from(at: float) -> int:
    """Return the least id of requests that start at a time or later."""
    return max(0, min(_LAST_MS, int(max(-1e15, min(1e15, at)) * 1000))) << _CHANCE_BITS


def new_id(at: float) -> int:
    """Return an id for a request that starts at a time. It may be taken: ask again then."""
    return id_from(at) | getrandbits(_CHANCE_BITS)


def renumbered(row: Values) -> Values:
    """Return a row under another number of the same time."""
    return new_id(row[AT]), *row[1:]


def to_row(record: RequestRecord, number: int | None = None) -> Values:
    """Return the row of a record in the table's order; what JSON cannot hold becomes text, broken characters go.

    number: the id that the row keeps; without it, it gets a new one.
    """
    scalars = [_clean_scalar(getattr(record, name)) for name in _NAMES]
    attributes = clean(MARK + "".join(f"{pair}{MARK}" for pair in _pairs(record.attributes)))
    text = clean(folded(_texts(record.payload)))
    packed = pack({"stages": record.stages, "attributes": record.attributes})
    payload = pack(record.payload) if record.payload else b""
    number = new_id(record.at) if number is None else number
    return number, clean(record.project), clean(record.trace_id), *scalars, attributes, text, packed, payload


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
    for row in payload.get("rows") or ():
        if isinstance(row, Mapping):
            yield from (value for value in row.values() if isinstance(value, str))
