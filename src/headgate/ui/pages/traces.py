"""Requests: listed and searched, and one of them whole, with what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from headgate.ui import reasons
from headgate.ui.visit import Visit

from . import scenarios

FILTERS = ("text", "status", "last", "source", "app", "environment", "release", "route", "where")
STATUSES = ("answered", "refused", "blocked", "held", "safe", "error")
LASTS = ("15m", "1h", "1d", "7d", "30d")
_SHOWN = 40
_STAGES = 60


async def browse(visit: Visit) -> Response:
    """List requests, newest first, as the query of the address narrows them."""
    asked = {name: visit.query(name) for name in FILTERS}
    request: dict[str, Any] = {name: value for name, value in asked.items() if value and name != "where"}
    if asked["where"]:
        request["where"] = [item.strip() for item in asked["where"].split(",") if item.strip()]
    before = visit.query("before")
    found = await visit.call("trace.list", limit=_SHOWN, before=before, **request)
    environments = await visit.ask("environment.show")
    known = environments["environments"] if environments else []
    return visit.page(
        "traces.html",
        traces=found["traces"],
        dropped=found["dropped"],
        asked=asked,
        narrowed=any(asked.values()),
        folded=not any(asked[name] for name in ("app", "environment", "release", "route", "where")),
        apps=sorted({item["app"] for item in known}),
        environments=sorted({item["environment"] for item in known}),
        statuses=STATUSES,
        lasts=LASTS,
        newest=_address(asked, "") if before else "",
        older=_address(asked, found["older"]) if found.get("older") else "",
        command_line=_command(asked),
    )


def _address(asked: Mapping[str, str], before: str) -> str:
    query = {name: value for name, value in {**asked, "before": before}.items() if value}
    return f"/traces?{urlencode(query)}" if query else "/traces"


def _command(asked: Mapping[str, str]) -> str:
    words = [f"--{name} {_quoted(value)}" for name, value in asked.items() if value and name != "where"]
    words += [f"--where {_quoted(item.strip())}" for item in asked["where"].split(",") if item.strip()]
    return " ".join(["headgate trace list", *words])


def _quoted(value: str) -> str:
    return value if value.replace("-", "").replace("_", "").isalnum() else "'" + value.replace("'", "'\\''") + "'"


async def show(visit: Visit) -> Response:
    """Show one request: what was said, what each sentence stands on, where the time went, why it ended so."""
    trace = await visit.call("trace.show", trace_id=visit.part("trace"))
    foreign = trace["source"] == "otlp"
    said = await visit.ask("feedback.list", trace_id=trace["summary"]["trace_id"], limit=10)
    ends = [stage["start_us"] + stage["took_us"] for stage in trace["stages"]]
    return visit.page(
        "traces_one.html",
        trace=trace,
        row=trace["summary"],
        feedback=(said or {}).get("feedback", []),
        why=reasons.why(trace),
        verdicts=reasons.verdicts(trace),
        review=reasons.review_of(trace),
        stages=[_stage(trace, stage, foreign) for stage in trace["stages"][:_STAGES]],
        left_out=max(0, len(trace["stages"]) - _STAGES),
        foreign=foreign,
        whole_us=max([trace["summary"]["latency_ms"] * 1000, *ends]),
        unsupported=sum(item["state"] == "unsupported" for item in trace["sentences"]),
        places={item["source"]: number for number, item in reversed(_numbered(trace["payload"].get("passages", [])))},
    )


def _stage(trace: Mapping[str, Any], stage: dict[str, Any], foreign: bool) -> dict[str, Any]:
    words = reasons.span_words(stage) if foreign else reasons.stage_words(stage, reasons.observed(trace, stage))
    return {"depth": 0, **stage, "words": words, "failed": foreign and stage["facts"].get("status") == "error"}


def _numbered(passages: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(passages, 1))


async def say(visit: Visit) -> Response:
    """Take a person's word on an answer."""
    trace_id = visit.part("trace")
    given = await visit.call(
        "feedback.add",
        trace_id=trace_id,
        rating=visit.field("rating"),
        correction=visit.field("correction"),
        comment=visit.field("comment"),
    )
    if given["incident_id"]:
        return visit.done(f"/incidents/{given['incident_id']}", "Your correction opened this incident.")
    return visit.done(f"/traces/{trace_id}", "Your feedback is kept with this trace.")


async def open_incident(visit: Visit) -> Response:
    """Open an incident on a trace."""
    opened = await visit.call("incident.open", trace_id=visit.part("trace"), title=visit.field("title"))
    return visit.done(f"/incidents/{opened['id']}", "The incident is open.")


async def make_scenario(visit: Visit) -> Response:
    """Open an incident on a trace and make a scenario of it, in one step."""
    expect = scenarios.expectations(visit)
    opened = await visit.call("incident.open", trace_id=visit.part("trace"), title=visit.field("title"))
    return await scenarios.start(visit, opened["id"], expect, visit.part("trace"))
