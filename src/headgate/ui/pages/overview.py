"""The first page: what each app serves where, how it does today, and what waits for somebody."""

from __future__ import annotations

from starlette.responses import Response

from headgate.ui.visit import Visit


async def show(visit: Visit) -> Response:
    """One panel an app, one row an environment; then open incidents and reviews."""
    environments = await visit.call("environment.show")
    incidents = await visit.ask("incident.list", state="open")
    reviews = await visit.ask("review.list", state="open")
    return visit.page("overview.html", environments=environments, incidents=incidents, reviews=reviews)
