"""Classical models in a release, judged on the rows that training held out.

Called by the runner. Rows come from the blob that the model artifact's `about.holdout` names; nothing is trained and
nothing is unpickled. Metrics are measure's scorers over rows, in total and for each value of each segment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from headgate import artifacts
from headgate.kernel import Corrupt, InvalidInput
from headgate.measure import Subject, build
from headgate.models import load_model
from headgate.store import Blobs, Transaction

METRICS = ("accuracy", "f1-macro", "f1", "precision", "recall", "auc")

Row = tuple[str, str, Mapping[str, float], Mapping[str, str]]


def evaluate_models(
    tx: Transaction, project: str, blobs: Blobs, pins: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return for each pinned model {digest, n, metrics, segments} over its held-out rows; n is 0 without any."""
    found = {}
    for path, pin in sorted(pins.items()):
        if pin["kind"] == "model":
            stored = artifacts.get(tx, project, pin["digest"])
            found[path] = {"digest": pin["digest"], **_metrics(stored, blobs)}
    return found


def _metrics(stored: artifacts.Stored, blobs: Blobs) -> dict[str, Any]:
    about = stored.about
    holdout = about.get("holdout")
    if not holdout:
        return {"n": 0, "metrics": {}, "segments": {}}
    content = blobs.get(holdout["file"])
    try:
        rows = [json.loads(line) for line in content.decode("utf-8").splitlines() if line]
    except ValueError as problem:
        raise Corrupt(f"the held-out rows of {stored.path} are not JSON lines: {problem}") from None
    predictor = load_model(stored.document, blobs.get(stored.document["file"]))
    target, segments = about["target"], list(about.get("segments", ()))
    predicted = predictor.predict(rows)
    judged: list[Row] = [
        (str(row[target]), said.label, said.scores, {name: _segment(row.get(name)) for name in segments})
        for row, said in zip(rows, predicted, strict=True)
    ]
    return {
        "n": len(judged),
        "metrics": metrics_of(judged),
        "segments": {name: segments_of(judged, name) for name in segments},
    }


def _segment(value: Any) -> str:
    """Name a segment; a missing value is the segment ''."""
    return "" if value is None else str(value)


def metrics_of(rows: Sequence[Row]) -> dict[str, float]:
    """Return every metric that these rows allow (AUC needs two classes), named as in gate rules: `f1_macro`."""
    values = {}
    for name in METRICS:
        try:
            score = build(name).look(Subject(rows=tuple(rows)))
        except InvalidInput:
            continue
        if score.label != "error":
            values[name.replace("-", "_")] = float(score.value)
    return values


def segments_of(rows: Sequence[Row], segment: str) -> dict[str, Any]:
    """Return {value: {n, metrics}} for every value of a segment."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[3][segment], []).append(row)
    return {value: {"n": len(group), "metrics": metrics_of(group)} for value, group in sorted(groups.items())}
