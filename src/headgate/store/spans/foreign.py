"""A trace that others recorded, as one request: made of its spans, and made again when more of them come.

Pure functions, called by `writer`. However the spans of a trace are cut into batches, the result is the same: sums, and
the first or last span by (time, id). The root, or the earliest span while none came, says how the request ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from headgate.kernel import RequestRecord, SpanRecord

from .packing import whole

SOURCE = "otlp"
_FIRST = ("model", "session", "subject", "provider")
"""What the earliest span that has it says for the whole trace."""


def merged(before: RequestRecord | None, spans: Iterable[SpanRecord]) -> RequestRecord:
    """Return a trace's request with spans added that were never added before."""
    ordered = list(spans)
    if before is None:
        before = _empty(ordered[0])
    state: dict[str, Any] = dict(before.stages[0]["facts"]) if before.stages else {}
    changes: dict[str, Any] = {}
    sums = [before.input_tokens, before.output_tokens, before.cost_nano, 0, 0]
    at, end = before.at, state.get("end", before.at)
    for span in ordered:
        sums[0] += span.input_tokens
        sums[1] += span.output_tokens
        sums[2] += span.cost_nano or 0
        sums[3] += 1
        sums[4] += span.status == "error"
        at, end = min(at, span.at), max(end, span.at + span.took_us / 1e6)
        _choose(state, changes, span)
    attributes: dict[str, Any] = {
        **before.attributes,
        "spans": before.attributes.get("spans", 0) + sums[3],
        "span_errors": before.attributes.get("span_errors", 0) + sums[4],
        **{name: changes.pop(name) for name in ("provider", "operation") if name in changes},
    }
    state["end"] = end
    return replace(
        before, at=at, latency_us=whole(round((end - at) * 1e6)), input_tokens=whole(sums[0]),
        output_tokens=whole(sums[1]), cost_nano=whole(sums[2]), stages=({"name": SOURCE, "facts": state},),
        attributes={name: value for name, value in attributes.items() if value != ""}, **changes,
    )  # fmt: skip


def _choose(state: dict[str, Any], changes: dict[str, Any], span: SpanRecord) -> None:
    """Note what this span says for the whole trace; `state` remembers which span each thing is from."""
    rank = [bool(span.parent_id), span.at, span.span_id]
    if "root" not in state or rank < state["root"]:
        state["root"] = rank
        failed = span.status == "error"
        changes |= {
            "app": span.service, "environment": span.environment, "route": span.name, "operation": span.operation,
            "status": "error" if failed else "answered", "reason": span.message if failed else "",
        }  # fmt: skip
    for name in _FIRST:
        value = getattr(span, name)
        if value and (name not in state or rank[1:] < state[name]):
            state[name] = rank[1:]
            changes[name] = value
    if span.payload:
        # the root's own conversation, else the last one: a later call to a model repeats what was said before
        said = [not span.parent_id, span.at, span.span_id]
        if "said" not in state or said > state["said"]:
            state["said"] = said
            changes["payload"] = span.payload


def _empty(span: SpanRecord) -> RequestRecord:
    return RequestRecord(
        trace_id=span.trace_id, project=span.project, at=span.at, app=span.service, environment=span.environment,
        release="", source=SOURCE, route="", label="", model="", status="answered", reason="",
    )  # fmt: skip
