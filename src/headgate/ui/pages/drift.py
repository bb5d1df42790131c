"""Whether what models see today is what they were trained on, and what was done about it: retrainings."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from starlette.responses import Response

from headgate.kernel import NotFound
from headgate.ui.visit import Visit

LASTS = ("1h", "6h", "1d", "7d", "30d")
_ORDER = {"breach": 0, "ok": 1, "quiet": 2}


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
    """Return the signals model by model, what moved first."""

    def place(item: dict[str, Any]) -> tuple[str, str, str, str]:
        return item["app"], item["environment"], item["model"], item["digest"]

    found = []
    for (app, environment, model, digest), several in groupby(sorted(signals, key=place), key=place):
        members = sorted(several, key=lambda item: (_ORDER.get(item["state"], 3), item["feature"]))
        states = [item["state"] for item in members]
        found.append(
            {
                "app": app,
                "environment": environment,
                "model": model,
                "digest": digest,
                "moved": [{**item, "top": _top(item["moved"])} for item in members if item["state"] == "breach"],
                "rest": [item for item in members if item["state"] != "breach"],
                "state": min(states, key=lambda state: _ORDER.get(state, 3)),
                "requests": max(item["count"] for item in members),
            }
        )
    return sorted(found, key=lambda item: _ORDER.get(item["state"], 3))


def _top(moved: list[dict[str, Any]]) -> float:
    return max([0.0, *(max(item["before"], item["now"]) for item in moved)])
