"""Traces as people ask for them: listed, searched by attribute, shown whole. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Duration, InvalidInput, NotFound, RequestRecord, iso, text_of, units
from headgate.measure import SUPPORTED
from headgate.store import Context, SpanQuery, Spans

from .stages import stages_of

_FEWEST, _ALL = 8, 32
"""Digits of an id by which a trace may be asked for; the first 12 are its millisecond, which others may share."""


class TraceQuery(BaseModel):
    """Which traces to list; every filter narrows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str | None = Field(None, description="only this app")
    environment: str | None = Field(None, description="only this environment")
    release: str | None = Field(None, description="only this release (digest)")
    route: str | None = Field(None, description="only requests that took this route")
    status: str | None = Field(None, description="answered, refused, blocked, held, safe or error")
    source: Literal["live", "evaluation", "replay", "guards", "embeddings", "otlp", "all"] = Field(
        "live", description="live, evaluation, replay, guards (asked alone), embeddings, otlp (sent by others) or all"
    )
    text: str | None = Field(None, description="words in the question or the answer")
    where: list[str] = Field(default_factory=list, description="attribute=value, e.g. model=local/extractive")
    last: Duration | None = Field(None, description="only the last 15m, 2h, 7d …")
    limit: int = Field(50, ge=1, le=1000, description="how many at most")
    before: str | None = Field(None, description="only those older than this trace: the last one that was seen")


class TraceRow(BaseModel):
    """One request on one line. Money in USD, time in milliseconds."""

    model_config = ConfigDict(frozen=True)
    trace_id: str
    at: str
    app: str
    environment: str
    release: str
    route: str
    model: str
    status: str
    reason: str
    latency_ms: float
    cost_usd: str
    grounding: float | None
    question: str
    source: str = "live"


class TraceList(BaseModel):
    """Requests, newest first. `older` is what `before` takes to go on; None at the end."""

    model_config = ConfigDict(frozen=True)
    traces: list[TraceRow]
    older: str | None = None
    dropped: int = Field(0, description="records that could not be stored since the server started")


class TraceShow(BaseModel):
    """Which trace to show."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    trace_id: str = Field(description="32 hexadecimal digits, or the first 8 or more")


class JudgedSentence(BaseModel):
    """A sentence of what the model wrote and how well its sources carry it, 0 … 1.

    `state` is supported, unsupported or neutral (a greeting, a refusal: nothing to prove). `source` is the page that
    carries it best, empty for none.
    """

    model_config = ConfigDict(frozen=True)
    text: str
    support: float
    source: str
    state: Literal["supported", "unsupported", "neutral"]


class TraceDetail(BaseModel):
    """A request whole: what was asked, each stage, what was answered and why.

    `sentences` are those of `payload["rejected"]` where the app did not send what the model wrote.
    """

    model_config = ConfigDict(frozen=True)
    summary: TraceRow
    label: str
    blocked_by: str
    attempts: int
    input_tokens: int
    output_tokens: int
    first_token_ms: float
    overhead_ms: float
    source: str
    session: str
    key_id: str = ""
    http_status: int = 200
    stages: list[dict[str, Any]]
    payload: dict[str, Any]
    attributes: dict[str, Any]
    sentences: list[JudgedSentence] = Field(default_factory=list)


def list_traces(ctx: Context, request: TraceQuery) -> TraceList:
    """List recorded requests, newest first."""
    spans, seen = ctx.store.spans, None
    if request.before:
        last = find_record(spans, ctx.principal.project, request.before)
        seen = (last.at, last.trace_id)
    query = SpanQuery(
        project=ctx.principal.project,
        app=request.app,
        environment=request.environment,
        release=request.release,
        route=request.route,
        status=request.status,
        source=None if request.source == "all" else request.source,
        since=ctx.clock.now() - request.last / 1e6 if request.last else None,
        text=request.text,
        attributes=_pairs(request.where),
        limit=request.limit + 1,
        payload=True,
        before=seen,
    )
    found = spans.find(query)
    rows = [_row(record) for record in found[: request.limit]]
    return TraceList(traces=rows, older=rows[-1].trace_id if len(found) > len(rows) else None, dropped=spans.dropped)


def show_trace(ctx: Context, request: TraceShow) -> TraceDetail:
    """Show one request with its stages. Raises NotFound."""
    record = find_record(ctx.store.spans, ctx.principal.project, request.trace_id)
    return TraceDetail(
        summary=_row(record),
        label=record.label,
        blocked_by=record.blocked_by,
        attempts=record.attempts,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        first_token_ms=record.first_token_us / 1000,
        overhead_ms=record.overhead_us / 1000,
        source=record.source,
        session=record.session,
        key_id=record.key_id,
        http_status=record.http_status,
        stages=_stages(ctx.store.spans, record),
        payload=dict(record.payload),
        attributes=dict(record.attributes),
        sentences=[_sentence(*item) for item in record.payload.get("sentences", [])],
    )


def find_record(spans: Spans, project: str, trace_id: str) -> RequestRecord:
    """Return the record of a trace by its id. Raises NotFound with where to look."""
    record = spans.get(project, trace_id.lower())
    if record is None:
        spans.flush()  # whoever was just answered may ask at once: what is queued is written first
        record = spans.get(project, trace_id.lower())
    if record is None:
        some = _FEWEST <= len(trace_id) < _ALL
        found = "no trace, or more than one, begins with" if some else "there is no trace"
        raise NotFound(f"{found} {trace_id[:_ALL]}", "headgate trace list shows enough of its digits")
    return record


def _pairs(where: list[str]) -> Mapping[str, str]:
    pairs = {}
    for item in where:
        name, equals, value = item.partition("=")
        if not equals:
            raise InvalidInput(f"{item!r} is not attribute=value", "for example --where model=local/extractive")
        pairs[name.strip()] = value.strip()
    return pairs


def _stages(spans: Spans, record: RequestRecord) -> list[dict[str, Any]]:
    if record.source == "otlp":
        return stages_of(spans.spans_of(record.project, record.trace_id))
    return [dict(stage) for stage in record.stages]


def _sentence(text: str, support: float, source: str) -> JudgedSentence:
    state: Literal["supported", "unsupported", "neutral"] = "supported" if support >= SUPPORTED else "unsupported"
    if state == "supported" and not source:
        state = "neutral"
    return JudgedSentence(text=text, support=support, source=source, state=state)


def _question(record: RequestRecord) -> str:
    asked = [text_of(turn.get("content")) for turn in record.payload.get("messages", []) if turn.get("role") == "user"]
    return asked[-1][:200] if asked else _rows(record)


def _rows(record: RequestRecord) -> str:
    """Return what a model was asked, when it was asked directly: its first row, and how many there were."""
    rows = record.payload.get("rows") or [{}]
    first = " ".join(value if isinstance(value, str) else f"{name}={value}" for name, value in rows[0].items())[:200]
    more = int(record.attributes.get("rows", 1)) - 1
    return f"{first} and {more} more rows" if more > 0 else first


def _row(record: RequestRecord) -> TraceRow:
    return TraceRow(
        trace_id=record.trace_id,
        at=iso(record.at),
        app=record.app,
        environment=record.environment,
        release=record.release,
        route=record.route,
        model=record.model,
        status=record.status,
        reason=record.reason,
        latency_ms=record.latency_us / 1000,
        cost_usd=units.usd(record.cost_nano),
        grounding=record.grounding,
        question=_question(record),
        source=record.source,
    )
