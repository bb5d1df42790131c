"""The table of requests: one row each, its stages packed into a column (decision 10), the same on both databases.

`spans` and `span_writer` call it. It has its own small schema, apart from the records' migrations, because spans live
in a file of their own. Nothing here opens a database.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
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

VERSION = 1
"""The schema's version, kept in the one row of `span_schema`."""
_MOST_TEXT = 20_000
_PACKED = frozenset({"stages", "payload", "attributes"})
_MARK = "\x1f"

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
_TEXTS = frozenset(item.name for item in _SCALARS if str(item.type) == "str") | {"trace_id"}


@dataclass(frozen=True, slots=True)
class SpanQuery:
    """Which requests to find; times are epoch seconds, `since` is included and `until` is not.

    text: found anywhere in the conversation or answer, whatever its case. attributes: exact values by name; names of
    text columns (`model`, `label`, `session`, `key_id`, `blocked_by` …) work too. payload: whether to bring payloads.
    """

    project: str
    app: str | None = None
    environment: str | None = None
    release: str | None = None
    route: str | None = None
    status: str | None = None
    source: str | None = None
    since: float | None = None
    until: float | None = None
    text: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    limit: int = 50
    payload: bool = False


def to_row(record: RequestRecord) -> dict[str, Any]:
    """Return the row of a record. Values that JSON cannot hold become text; broken characters are replaced."""
    row: dict[str, Any] = {item.name: getattr(record, item.name) for item in _SCALARS}
    row.update(project_id=record.project, trace_id=record.trace_id)
    for name, value in row.items():
        if isinstance(value, str):
            row[name] = clean(value)
    row["attributes"] = clean(_MARK + "".join(f"{pair}{_MARK}" for pair in _pairs(record.attributes)))
    row["text"] = clean("\n".join(_texts(record.payload))[:_MOST_TEXT]).casefold()
    row["packed"] = _pack({"stages": record.stages, "attributes": record.attributes})
    row["payload"] = _pack(record.payload) if record.payload else b""
    return row


def from_row(row: Row[Any]) -> RequestRecord:
    """Return the record of a row; its payload is empty when the row was read without it."""
    found = row._mapping
    packed = _unpack(found["packed"])
    payload = found.get("payload")
    return RequestRecord(
        project=found["project_id"],
        trace_id=found["trace_id"],
        stages=tuple(packed["stages"]),
        attributes=packed["attributes"],
        payload=_unpack(payload) if payload else {},
        **{item.name: found[item.name] for item in _SCALARS},
    )


def rows(payload: bool) -> Select[Any]:
    """Return a query of whole rows, or of rows without their payload."""
    left_out = {"text", "attributes"} if payload else {"text", "attributes", "payload"}
    return select(*(column for column in request.c if column.name not in left_out))


def matching(query: SpanQuery) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a query."""
    yield request.c.project_id == query.project
    for name in ("app", "environment", "release", "route", "status", "source"):
        value = getattr(query, name)
        if value is not None:
            yield request.c[name] == value
    if query.since is not None:
        yield request.c.at >= query.since
    if query.until is not None:
        yield request.c.at < query.until
    if query.text:
        yield request.c.text.contains(clean(query.text).casefold(), autoescape=True)
    for name, value in query.attributes.items():
        if name in _TEXTS:
            yield request.c[name] == value
        else:
            yield request.c.attributes.contains(f"{_MARK}{clean(name)}={clean(value)}{_MARK}", autoescape=True)


def clean(text: str) -> str:
    """Replace what PostgreSQL's text cannot hold: NUL and halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _pairs(attributes: Mapping[str, Any]) -> Iterator[str]:
    for name, value in attributes.items():
        shown = ("true" if value else "false") if isinstance(value, bool) else str(value)
        yield f"{name}={shown}".replace(_MARK, " ")


def _texts(payload: Mapping[str, Any]) -> Iterator[str]:
    for message in payload.get("messages") or ():
        if isinstance(message, Mapping):
            yield text_of(message.get("content"))
    answer = payload.get("answer")
    if isinstance(answer, str):
        yield answer


def _plain(value: Any) -> Any:
    """Turn a value that the encoder does not know into one that it does."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): _cleaned(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else clean(str(value))


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def _pack(value: Any) -> bytes:
    try:
        content = _encoder.encode(value)
    except (TypeError, ValueError, OverflowError):
        content = _encoder.encode(_cleaned(value))
    return zlib.compress(content, 1)


def _unpack(content: bytes) -> Any:
    return msgspec.json.decode(zlib.decompress(content))
