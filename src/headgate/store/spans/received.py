"""The table of spans that others recorded and sent: one row each, whole. Called by `writer` (rows) and `spans` (reads).

Only what identifies a span stands in columns; the rest is packed in one. What pages list is the trace's row in
`request`, which `foreign` makes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import msgspec
from sqlalchemy import Column as C
from sqlalchemy import Double, Index, LargeBinary, Row, Select, Table, Text, select

from headgate.kernel import InvalidInput, SpanRecord

from .packing import clean, pack, unpack, whole
from .table import metadata

_SMALL = 8_192
"""Bytes of a span that are stored as they are: compressing costs more than everything else that is done to it."""
_PACKED = tuple(
    item.name for item in fields(SpanRecord) if item.name not in {"project", "trace_id", "span_id", "at", "subject"}
)
received = Table(
    "span", metadata, C("project_id", Text, primary_key=True), C("trace_id", Text, primary_key=True),
    C("span_id", Text, primary_key=True), C("at", Double, nullable=False), C("subject", Text, nullable=False),
    C("packed", LargeBinary, nullable=False),
    Index("ix_span_subject", "project_id", "subject", sqlite_where=C("subject", Text) != "",
          postgresql_where=C("subject", Text) != ""),
)  # fmt: skip
"""`subject` stands in a column of its own so that a person's spans can be found and erased."""
SpanRow = tuple[str, str, str, float, str, bytes]


def to_rows(records: Sequence[SpanRecord]) -> list[SpanRow]:
    """Return the rows of spans, in their order. What a batch shares (its resource) is encoded once."""
    shared: dict[int, msgspec.Raw] = {}
    return [_row(record, shared) for record in records]


def _row(record: SpanRecord, shared: dict[int, msgspec.Raw]) -> SpanRow:
    resource: Any = record.resource
    if resource:
        known = shared.get(id(resource))
        resource = known if known is not None else shared.setdefault(id(resource), msgspec.Raw(pack(resource, 1 << 60)))
    packed = pack(
        (
            record.parent_id, record.name, record.kind, whole(record.took_us), record.status, record.message,
            record.service, record.environment, record.scope, record.operation, record.provider, record.model,
            record.session, whole(record.input_tokens), whole(record.output_tokens),
            None if record.cost_nano is None else whole(record.cost_nano), record.attributes, record.events,
            record.links, resource, record.payload,
        ), _SMALL,
    )  # fmt: skip
    if not math.isfinite(record.at):
        raise InvalidInput(f"span {record.span_id} has no time", "its start must be a time in seconds")
    return clean(record.project), record.trace_id, record.span_id, record.at, clean(record.subject), packed


def from_row(row: Row[Any]) -> SpanRecord:
    """Return the span of a row."""
    found = row._mapping
    values = dict(zip(_PACKED, unpack(found["packed"]), strict=True))
    values["events"], values["links"] = tuple(values["events"]), tuple(values["links"])
    identity = {name: found[name] for name in ("trace_id", "span_id", "at", "subject")}
    return SpanRecord(project=found["project_id"], **identity, **values)


def of_trace(project: str, trace_id: str) -> Select[Any]:
    """Return a query of a trace's spans, earliest first."""
    mine = (received.c.project_id == project, received.c.trace_id == trace_id)
    return select(received).where(*mine).order_by(received.c.at, received.c.span_id)
