"""What an evidence says when all its cases are in: counts, percentiles, and the digest that approvals bind.

Called at the end of a run and by the gate. The digest covers verdicts and scores, never times, money or ids, so that
a run that was killed and resumed is the same evidence as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.kernel import canonical, digest
from headgate.measure import mean_interval, quantile_interval

from .rows import CaseRow

_TIMED = {"latency", "cost"}
"""Assertions whose value is an observation of the moment: only whether they passed is part of the digest."""


def evidence_digest(release: str, pins: Mapping[str, Any], cases: Sequence[CaseRow], models: Mapping[str, Any]) -> str:
    """Return the digest of an evidence: release, what judged it, each case's verdict and scores, model metrics."""
    document = {
        "release": release,
        "suites": dict(pins["suites"]),
        "scorers": dict(pins["scorers"]),
        "cases": [
            [case.suite, case.scenario, case.repeat, case.verdict, [_score(score) for score in case.scores]]
            for case in sorted(cases, key=lambda case: case.key)
        ],
        "models": {path: _rounded(found) for path, found in models.items()},
    }
    return digest("evidence", 1, canonical(document))


def summarise(pins: Mapping[str, Any], cases: Sequence[CaseRow], models: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary stored with an evidence: per suite, per model, cost in nano-dollars, latency in microseconds.

    Cases that reused a journaled call count for verdicts, never for latency or cost.
    """
    suites = {}
    for path, suite_digest in pins["suites"].items():
        verdicts = [case.verdict for case in cases if case.suite == path]
        suites[path] = {
            "digest": suite_digest,
            "cases": len(verdicts),
            **{name: verdicts.count(name) for name in ("pass", "fail", "review", "error")},
        }
    return {
        "suites": suites,
        "models": dict(models),
        "latency": latency_summary(cases),
        "cost": cost_summary(cases),
        "reused_calls": sum(case.reused for case in cases),
    }


def latency_summary(cases: Sequence[CaseRow]) -> dict[str, Any]:
    """Return n, p50, p95 and the 95 % interval of p95 over the freshly executed cases, in microseconds."""
    values = sorted(case.latency_us for case in cases if not case.reused)
    if not values:
        return {"n": 0}
    interval = quantile_interval(values, 0.95)
    return {
        "n": len(values),
        "p50": _quantile(values, 0.5),
        "p95": _quantile(values, 0.95),
        "p95_low": interval.low,
        "p95_high": interval.high,
    }


def cost_summary(cases: Sequence[CaseRow]) -> dict[str, Any]:
    """Return n, total, mean and the 95 % interval of the mean over the freshly executed cases, in nano-dollars."""
    values = [case.cost_nano for case in cases if not case.reused]
    if not values:
        return {"n": 0}
    interval = mean_interval([float(value) for value in values])
    mean = sum(values) / len(values)
    return {"n": len(values), "total": sum(values), "mean": mean, "low": interval.low, "high": interval.high}


def _quantile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest value that at least `share` of the values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _score(score: Mapping[str, Any]) -> list[Any]:
    name = str(score["name"])
    timed = name.removeprefix("not-") in _TIMED
    return [name, score["passed"], None if timed else _rounded(score["value"])]


def _rounded(value: Any) -> Any:
    """Round numbers to nine digits, so that the last bits of a sum never make another evidence."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if not isinstance(value, float):
        return value
    return round(value, 9) if math.isfinite(value) else str(value)
