"""An incident becomes a scenario: the form that says what a right answer holds, and the page that waits for the job."""

from __future__ import annotations

from starlette.responses import Response

from headgate.kernel import InvalidInput
from headgate.ui.visit import Visit

_ENDED = ("done", "failed")


def expectations(visit: Visit) -> list[str]:
    """Return what the form expects of a right answer, as `incident to-scenario --expect` takes it.

    Raises InvalidInput when it expects nothing: a scenario that nothing can fail guards nothing.
    """
    found = [f"contains={line}" for line in _lines(visit.field("contains"))]
    found += [f"not-contains={line}" for line in _lines(visit.field("lacks"))]
    found += [f"cites={line}" for line in _lines(visit.field("cites"))]
    found += [name for name in ("grounded", "refuses") if visit.field(name)]
    found += _lines(visit.field("more"))
    if not found and not visit.field("monitored"):
        raise InvalidInput(
            "nothing says what a right answer holds", "name words that it contains, or tick one of the boxes"
        )
    return found


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


async def start(visit: Visit, incident_id: str, expect: list[str], trace_id: str) -> Response:
    """Start the job and go to the page that shows how far it is."""
    severity = "normal" if visit.field("severity") == "normal" else "critical"
    started = await visit.call(
        "incident.to-scenario", incident_id=incident_id, expect=expect, trace_id=trace_id, severity=severity
    )
    return visit.done(f"/incidents/{incident_id}/scenario?job={started['job']}")


async def make(visit: Visit) -> Response:
    """Make a scenario of an incident."""
    return await start(visit, visit.part("incident"), expectations(visit), visit.field("trace"))


async def watch(visit: Visit) -> Response:
    """Show how far the job is; the page asks again by itself until it has ended."""
    job = await visit.call("job.show", job_id=visit.query("job"))
    incident = await visit.call("incident.show", incident_id=visit.part("incident"))
    waiting = job["state"] not in _ENDED
    return visit.page("scenario.html", job=job, incident=incident, made=job["result"] or {}, waiting=waiting)
