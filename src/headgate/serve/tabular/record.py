"""What is kept of an inference: one record for the span file, as of a conversation. Called by `infer`.

Texts are masked of secrets and personal data, because no guard has seen them; how many rows and how much text is kept
is bounded, and what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.kernel import HeadgateError, RequestRecord
from headgate.measure import Reading, find_pii, find_secrets, mask
from headgate.models import Prediction
from headgate.serve.runtime import Runtime
from headgate.serve.snapshot import Snapshot

from .model import Model, ModelRequest

ROUTE = "infer"
_ROWS = 200
_TEXT = 2_000
_ALL_TEXT = 64_000
_VALUE = 80


@dataclass(frozen=True, slots=True)
class Scored:
    """An inference that is over: what was asked, what was said, when (epoch seconds) and for how long (µs)."""

    snapshot: Snapshot
    model: Model
    request: ModelRequest
    found: Sequence[Prediction]
    started: float
    took_us: int
    problem: HeadgateError | None = None


def record(scored: Scored, runtime: Runtime) -> None:
    """Hand one inference to the recorder; never waits."""
    request, model, found, problem = scored.request, scored.model, scored.found, scored.problem
    kept = _kept(model, request.rows)
    only = found[0] if len(found) == 1 else None
    runtime.recorder.record(
        RequestRecord(
            trace_id=request.id,
            project=runtime.project,
            at=scored.started,
            app=scored.snapshot.app,
            environment=runtime.environment,
            release=scored.snapshot.digest,
            source=runtime.source,
            route=ROUTE,
            label=only.label if only else "",
            model=model.name,
            status="answered" if problem is None else "error",
            reason=problem.code if problem else "",
            key_id=request.key_id,
            session=request.session,
            latency_us=scored.took_us,
            overhead_us=scored.took_us,
            attempts=1,
            http_status=problem.status if problem else 200,
            stages=({"name": "predict", "start_us": 0, "took_us": scored.took_us, "facts": {}},),
            payload={
                "rows": kept,
                "predictions": [
                    {"label": item.label, "confidence": round(item.confidence, 6)} for item in found[: len(kept)]
                ],
            },
            attributes=_attributes(scored, kept, only),
        )
    )


def _attributes(scored: Scored, kept: Sequence[Mapping[str, Any]], only: Prediction | None) -> dict[str, Any]:
    """Return what inferences are searched by beside the columns; of a single row also its categories."""
    model, rows = scored.model, len(scored.request.rows)
    about: dict[str, Any] = {"model": model.path, "model_path": model.path, "model_digest": model.digest, "rows": rows}
    if rows > len(kept):
        about["rows_not_kept"] = rows - len(kept)
    if only is not None:
        about["confidence"] = round(only.confidence, 4)
        if kept:
            about |= {name: kept[0][name][:_VALUE] for name, sort in model.inputs if sort == "category"}
    return about


def _kept(model: Model, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the first rows as they may be stored: as many as fit."""
    kept: list[dict[str, Any]] = []
    texts = {name for name, sort in model.inputs if sort != "number"}
    left = _ALL_TEXT
    for row in rows[:_ROWS]:
        fresh: dict[str, Any] = {}
        for name, _ in model.inputs:
            value = row.get(name)
            if name in texts:
                shown = "" if value is None else str(value)[:_TEXT]
                left -= len(shown)
                fresh[name] = _masked(shown) if shown else ""
            else:
                fresh[name] = value
        kept.append(fresh)
        if left < 0:
            break
    return kept


def _masked(text: str) -> str:
    reading = Reading(text)
    found = [*find_secrets(reading), *find_pii(reading)]
    return mask(text, found) if found else text
