"""Incidents: what went wrong and waits for somebody, and one of them with its evidence and what can be done."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from headgate.ui import reasons
from headgate.ui.visit import Visit

_EXAMPLES = 8
_CLOSED = 20


async def browse(visit: Visit) -> Response:
    """List open incidents first, then those that were closed lately."""
    app, state = visit.query("app"), visit.query("state")
    opened = closed = []
    if state != "closed":
        opened = (await visit.call("incident.list", state="open", app=app, limit=100))["incidents"]
    if state != "open":
        closed = (await visit.call("incident.list", state="closed", app=app, limit=_CLOSED))["incidents"]
    environments = await visit.ask("environment.show")
    return visit.page(
        "incidents.html",
        opened=[_told(incident) for incident in opened],
        closed=[_told(incident) for incident in closed],
        app=app,
        wanted=state,
        apps=sorted({item["app"] for item in (environments or {}).get("environments", [])}),
    )


def _told(incident: dict[str, Any]) -> dict[str, Any]:
    return {**incident, "words": reasons.breach(incident["detail"])}


async def show(visit: Visit) -> Response:
    """Show one incident: the breach, requests that show it, what it became, and what can be done."""
    incident = await visit.call("incident.show", incident_id=visit.part("incident"))
    proposals = await visit.ask("proposal.list", state="all")
    detail = incident["detail"]
    return visit.page(
        "incidents_one.html",
        incident=_told(incident),
        detail=detail,
        examples=await _examples(visit, incident["trace_ids"][:_EXAMPLES]),
        more=max(0, len(incident["trace_ids"]) - _EXAMPLES),
        proposals=[
            item for item in (proposals or {}).get("proposals", []) if item["reason"].startswith(incident["id"])
        ],
        moved=_by_feature(detail.get("moved") or []),
    )


def _by_feature(moved: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what moved feature by feature: each has a measure of its own, up to `top`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for item in moved:
        found.setdefault(item.get("feature", ""), []).append(item)
    return [
        {"feature": name, "moved": several, "top": max(max(item["before"], item["now"]) for item in several)}
        for name, several in found.items()
    ]


def _offered(incident_id: str, proposals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in proposals if item["reason"].startswith(incident_id)]


async def _examples(visit: Visit, trace_ids: list[str]) -> list[dict[str, Any]]:
    """Return what each trace asked, where the visitor may read that and it is still kept."""
    found = []
    for trace_id in trace_ids:
        trace = await visit.ask("trace.show", trace_id=trace_id)
        row = trace["summary"] if trace else None
        kept = trace["payload"] if trace else {}
        said = await visit.ask("feedback.list", trace_id=trace_id, limit=3)
        found.append(
            {
                "trace_id": trace_id,
                "row": row,
                "answer": kept.get("rejected") or kept.get("answer", ""),
                "sources": kept.get("passages", []),
                "feedback": (said or {}).get("feedback", []),
            }
        )
    return found


async def close(visit: Visit) -> Response:
    """Close an incident with a note."""
    incident_id = visit.part("incident")
    await visit.call("incident.close", incident_id=incident_id, note=visit.field("note"))
    return visit.done(f"/incidents/{incident_id}", "The incident is closed.")


async def ask_labels(visit: Visit) -> Response:
    """Ask people what the incident's requests are about."""
    asked = await visit.call("review.ask", incident_id=visit.part("incident"), count=visit.field("count") or 20)
    count = len(asked["opened"])
    if not count:
        left = ", ".join(f"{number}: {reason}" for reason, number in asked["left_out"].items())
        return visit.done(f"/incidents/{visit.part('incident')}", f"No question was opened. {left}", "warn")
    return visit.done("/reviews", f"{count} label questions for {asked['model']} are in the queue.")
