"""What is recorded of one gateway request or one foreign span, and the protocol that takes it: `store` implements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct


class RequestRecord(Struct, frozen=True, gc=False):
    """One row of the span file: a whole request, its stages packed. Money nano-dollars, times microseconds.

    `stages`, `payload` and `attributes` are JSON-like; `payload` holds the (masked) conversation, answer and
    passages. `at` is epoch seconds of the start. `source` says who asked: live traffic, an evaluation, a replay,
    or somebody who asked guards alone.
    """

    trace_id: str
    project: str
    at: float
    app: str
    environment: str
    release: str
    source: str
    route: str
    label: str
    model: str
    status: str
    reason: str
    key_id: str = ""
    session: str = ""
    subject: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0
    latency_us: int = 0
    first_token_us: int = 0
    overhead_us: int = 0
    attempts: int = 0
    grounding: float | None = None
    blocked_by: str = ""
    http_status: int = 200
    stages: tuple[Mapping[str, Any], ...] = ()
    payload: Mapping[str, Any] = {}
    attributes: Mapping[str, Any] = {}


class Recorder(Protocol):
    """Takes records without blocking the request path; what it must drop it counts."""

    def record(self, record: RequestRecord) -> None: ...


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One span that somebody else recorded and sent over OTLP, in our words. Money nano-dollars, times microseconds.

    `trace_id` and `span_id` are hexadecimal, `parent_id` is empty at the root. `at` is epoch seconds of the start.
    `operation` is GenAI's (`chat`, `embeddings`, `execute_tool`, `retrieval` …), empty for spans of other kinds.
    `cost_nano` is None when nobody said or could work out what it cost. `attributes`, `events`, `links` and `resource`
    are as received, bounded; `payload` holds the conversation in our shape: messages, answer, passages.
    """

    project: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    at: float
    took_us: int
    status: str
    message: str = ""
    service: str = ""
    environment: str = ""
    scope: str = ""
    operation: str = ""
    provider: str = ""
    model: str = ""
    session: str = ""
    subject: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()
    links: tuple[Mapping[str, Any], ...] = ()
    resource: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] = field(default_factory=dict)
