"""The spans of a trace that others recorded, as stages: the same shape that our own requests have. For `traces`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headgate.kernel import SpanRecord, units

_MOST = 2_000
"""Stages that are shown at most; the trace's attribute `spans` says how many there are."""


def stages_of(spans: Sequence[SpanRecord]) -> list[dict[str, Any]]:
    """Return spans as a tree, parents before their children and each level by time.

    Times are microseconds from the start of the earliest. A span whose parent did not come stands at the root. `parent`
    is the parent's `id`, `depth` the number of stages above.
    """
    began = min((span.at for span in spans), default=0.0)
    return [_stage(span, depth, began) for depth, span in _in_order(spans)][:_MOST]


def _in_order(spans: Sequence[SpanRecord]) -> Iterator[tuple[int, SpanRecord]]:
    """Walk the tree without recursion: traces come from anybody, and may be deep or go in circles."""
    ids = {span.span_id for span in spans}
    children: dict[str, list[SpanRecord]] = {}
    for span in sorted(spans, key=lambda span: (span.at, span.span_id), reverse=True):
        known = span.parent_id in ids and span.parent_id != span.span_id
        children.setdefault(span.parent_id if known else "", []).append(span)
    waiting = [(0, span) for span in children.pop("", [])]
    while waiting or children:
        if not waiting:  # a circle: begin it anywhere
            waiting = [(0, span) for span in children.pop(next(iter(children)))]
        depth, span = waiting.pop()
        yield depth, span
        waiting += [(depth + 1, child) for child in children.pop(span.span_id, [])]


def _stage(span: SpanRecord, depth: int, began: float) -> dict[str, Any]:
    facts = {
        "kind": span.kind, "operation": span.operation, "provider": span.provider, "model": span.model,
        "status": span.status, "message": span.message, "service": span.service,
        "input_tokens": span.input_tokens, "output_tokens": span.output_tokens,
        "cost_usd": "" if span.cost_nano is None else units.usd(span.cost_nano),
        **{name: value for name, value in span.attributes.items() if isinstance(value, str | int | float | bool)},
    }  # fmt: skip
    return {
        "name": span.name, "id": span.span_id, "parent": span.parent_id, "depth": depth,
        "start_us": round((span.at - began) * 1e6), "took_us": span.took_us,
        "facts": {name: value for name, value in facts.items() if value not in ("", 0)},
    }  # fmt: skip
