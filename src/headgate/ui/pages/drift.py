"""Whether what models see today is what they were trained on, and what was done about it: retrainings."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from starlette.responses import Response

from headgate.kernel import NotFound
from headgate.ui.visit import Visit

LASTS = ("1h", "6h", "1d", "7d", "30d")
_ORDER = ("breach", "ok", "quiet")
_DRAWN = 12
"""Features that are drawn on the whole page; what moved beyond is told in a line each, so that a page stays small."""
_ROWS = 20


async def show(visit: Visit) -> Response:
    """One panel a model and environment: what moved first, the quiet rest in a table; then retrainings."""
    asked = {name: visit.query(name) for name in ("app", "environment", "model", "last")}
    found = await _drift(visit, asked)
    environments = (await visit.ask("environment.show") or {}).get("environments", [])
    retrainings = await visit.ask("retraining.list", app=asked["app"], environment=asked["environment"], limit=10)
    triggers = await visit.ask("retraining.triggers", app=asked["app"], environment=asked["environment"])
    return visit.page(
        "drift.html",
        asked=asked,
        shown=found,
        models=_models(found["signals"]),
        lasts=LASTS,
        apps=sorted({item["app"] for item in environments}),
        environments=sorted({item["environment"] for item in environments}),
        retrainings=(retrainings or {}).get("retrainings", []),
        triggers=(triggers or {}).get("triggers", []),
    )


async def _drift(visit: Visit, asked: dict[str, str]) -> dict[str, Any]:
    try:
        return await visit.call("drift.show", **asked)
    except NotFound as problem:
        return {"signals": [], "notes": [problem.message], "since": None, "until": None}


def _models(signals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the signals model by model: features that moved, the furthest first, and the quiet rest."""

    def place(item: dict[str, Any]) -> tuple[str, str, str, str]:
        return item["app"], item["environment"], item["model"], item["digest"]

    found: list[dict[str, Any]] = []
    left = _DRAWN
    for (app, environment, model, digest), several in groupby(sorted(signals, key=place), key=place):
        members = list(several)
        moved = _features([item for item in members if item["state"] == "breach"])
        rest = sorted((item for item in members if item["state"] != "breach"), key=_quietly)
        found.append(
            {
                "app": app,
                "environment": environment,
                "model": model,
                "digest": digest,
                "moved": moved[: min(left, _DRAWN // 2)],
                "more": moved[min(left, _DRAWN // 2) :][:_ROWS],
                "rest": rest[:_ROWS],
                "resting": len(rest),
                "state": min((item["state"] for item in members), key=_ORDER.index),
                "requests": max(item["count"] for item in members),
            }
        )
        left -= len(found[-1]["moved"])
    return sorted(found, key=lambda item: _ORDER.index(item["state"]))


def _quietly(item: dict[str, Any]) -> tuple[int, str, str]:
    return _ORDER.index(item["state"]), item["feature"], item["method"]


def _features(signals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry a feature, whatever several methods said of it; the furthest from quiet first."""
    by_feature: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in sorted(signals, key=_times, reverse=True):
        by_feature.setdefault((item["feature"], item["kind"]), []).append(item)
    return [
        {
            **several[0],
            "methods": several,
            "times": _times(several[0]),
            "top": max([0.0, *(max(item["before"], item["now"]) for item in several[0]["moved"])]),
        }
        for several in by_feature.values()
    ]


def _times(signal: dict[str, Any]) -> float:
    """How many times its threshold a signal is."""
    return float(signal["value"] / signal["threshold"]) if signal["threshold"] else 0.0
