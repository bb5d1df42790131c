"""The table of requests: one row each, its stages packed into a column (decision 10), the same on both databases.

`spans` and `group` call it. It has its own small schema, apart from the records' migrations, because spans live in a
file of their own. Nothing here opens a database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter, itemgetter
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

from .packing import clean, compress, encode, unpack
from .words import MOST_TEXT, folded

VERSION = 3
"""The schema's version, kept in the one row of `span_schema`."""
_PACKED = frozenset({"stages", "payload", "attributes"})
MARK = "\x1f"
_CHANCE_BITS = 20
_LAST_MS = 2**43 - 1
_SCALAR_BYTES = 1_500

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


_KINDS: Mapping[str, str] = RequestRecord.__annotations__
_SCALARS = tuple(name for name in _KINDS if name not in {*_PACKED, "project", "trace_id"})
request = Table(
    "request", metadata, C("id", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    C("project_id", Text, nullable=False), C("trace_id", Text, nullable=False),
    *(_column(name, _KINDS[name]) for name in _SCALARS),
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
_scalars = attrgetter(*_SCALARS)
_texts_of = attrgetter("project", "trace_id", *(name for name in _SCALARS if _KINDS[name] == "str"))
_STAGE = ("name", "start_us", "took_us", "facts")
"""What a stage of ours consists of; such a stage is packed as a list of these values, a half shorter than by name."""
_stage_of, _OURS = itemgetter(*_STAGE), {len(_STAGE)}
TEXTS = frozenset(name for name in _SCALARS if _KINDS[name] == "str") | {"trace_id"}


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
    return finished(drafted(record, number))


def drafted(record: RequestRecord, number: int | None = None) -> Values:
    """Return the row of a record, but for what takes long when the conversation is long: `finished` does that.

    A draft holds nothing but strings, bytes and numbers: while it waits, it gives the garbage collector no work.
    """
    scalars = _scalars(record)
    names = (record.project, record.trace_id)
    if not _harmless(record):
        scalars = tuple([_clean_scalar(value) for value in scalars])
        names = (clean(record.project), clean(record.trace_id))
    attributes = clean(MARK.join(["", *_pairs(record.attributes), ""]))
    text = "\n".join(_texts(record.payload))[:MOST_TEXT]
    packed = encode({"stages": _short(record.stages), "attributes": record.attributes})
    payload = encode(record.payload) if record.payload else b""
    return new_id(record.at) if number is None else number, *names, *scalars, attributes, text, packed, payload


def finished(draft: Values) -> Values:
    """Return the row of a draft: its words folded, what is large compressed."""
    text, packed, payload = draft[TEXT:]
    return *draft[:TEXT], clean(folded(text)), compress(packed), compress(payload)


def weight(draft: Values) -> int:
    """Return about how many bytes a draft takes in memory."""
    return len(draft[TEXT]) + len(draft[-2]) + len(draft[-1]) + _SCALAR_BYTES


def _harmless(record: RequestRecord) -> bool:
    """Whether every database can hold the record's short texts as they are; one look at all of them together."""
    try:
        texts = "".join(_texts_of(record))
    except TypeError:  # one of them is no text
        return False
    return texts.isascii() and "\0" not in texts


def _clean_scalar(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def _short(stages: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
    """Return stages as `_STAGE`'s values; as they are when one of them holds other things."""
    try:
        return [_stage_of(stage) for stage in stages] if {*map(len, stages)} == _OURS else stages
    except KeyError:
        return stages


def _long(stage: Any) -> Mapping[str, Any]:
    return dict(zip(_STAGE, stage, strict=True)) if isinstance(stage, list) else stage


def from_row(row: Row[Any]) -> RequestRecord:
    """Return the record of a row; its payload is empty when the row was read without it."""
    found = row._mapping
    packed = unpack(found["packed"])
    payload = found.get("payload")
    return RequestRecord(
        project=found["project_id"],
        trace_id=found["trace_id"],
        stages=tuple([_long(stage) for stage in packed["stages"]]),
        attributes=packed["attributes"],
        payload=unpack(payload) if payload else {},
        **{name: found[name] for name in _SCALARS},
    )


def rows(payload: bool) -> Select[Any]:
    """Return a query of whole rows, or of rows without their payload."""
    left_out = {"text", "attributes"} if payload else {"text", "attributes", "payload"}
    return select(*(column for column in request.c if column.name not in left_out))


def _pairs(attributes: Mapping[str, Any]) -> list[str]:
    found = []
    for name, value in attributes.items():
        shown = ("true" if value else "false") if isinstance(value, bool) else value
        found.append(f"{name}={shown}".replace(MARK, " "))
    return found


def _texts(payload: Mapping[str, Any]) -> list[str]:
    found = [text_of(message.get("content")) for message in payload.get("messages") or () if isinstance(message, dict)]
    answer = payload.get("answer")
    if isinstance(answer, str):
        found.append(answer)
    for row in payload.get("rows") or ():
        if isinstance(row, Mapping):
            found += [value for value in row.values() if isinstance(value, str)]
    return found
