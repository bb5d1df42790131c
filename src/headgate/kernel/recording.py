"""What is recorded of one gateway request, and the protocol that takes it: `serve` calls, `store` implements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One row of the span file: a whole request, its stages packed. Money nano-dollars, times microseconds.

    `stages`, `payload` and `attributes` are JSON-like; `payload` holds the (masked) conversation, answer and
    passages. `at` is epoch seconds of the start. `source` says who asked: live traffic, an evaluation, a replay.
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
    payload: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Recorder(Protocol):
    """Takes records without blocking the request path; what it must drop it counts."""

    def record(self, record: RequestRecord) -> None: ...
