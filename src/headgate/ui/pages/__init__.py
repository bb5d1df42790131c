"""The pages, one file each, and the table of their paths. A page is an async function from a visit to a response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from headgate.ui.visit import Visit

from . import drift, entrance, incidents, overview, releases, reviews, scenarios, traces


@dataclass(frozen=True, slots=True)
class Page:
    """What makes a page; `open` ones need no visitor."""

    make: Callable[[Visit], Awaitable[Response]]
    open: bool = False


ROUTES: tuple[tuple[str, str, Page], ...] = (
    ("GET", "/", Page(overview.show)),
    ("GET", "/sign-in", Page(entrance.ask, open=True)),
    ("POST", "/sign-in", Page(entrance.enter, open=True)),
    ("POST", "/sign-out", Page(entrance.leave)),
    ("POST", "/environments/{app}/{environment}/rules", Page(overview.approve_rules)),
    ("GET", "/releases", Page(releases.browse)),
    ("GET", "/releases/{digest}", Page(releases.show)),
    ("POST", "/releases/{digest}/approve", Page(releases.approve)),
    ("POST", "/releases/{digest}/promote", Page(releases.promote)),
    ("POST", "/environments/{app}/{environment}/rollback", Page(releases.roll_back)),
    ("GET", "/traces", Page(traces.browse)),
    ("GET", "/traces/{trace}", Page(traces.show)),
    ("POST", "/traces/{trace}/feedback", Page(traces.say)),
    ("POST", "/traces/{trace}/incident", Page(traces.open_incident)),
    ("POST", "/traces/{trace}/scenario", Page(traces.make_scenario)),
    ("GET", "/incidents", Page(incidents.browse)),
    ("GET", "/incidents/{incident}", Page(incidents.show)),
    ("POST", "/incidents/{incident}/close", Page(incidents.close)),
    ("POST", "/incidents/{incident}/labels", Page(incidents.ask_labels)),
    ("GET", "/incidents/{incident}/scenario", Page(scenarios.watch)),
    ("POST", "/incidents/{incident}/scenario", Page(scenarios.make)),
    ("GET", "/reviews", Page(reviews.browse)),
    ("GET", "/reviews/{review}", Page(reviews.show)),
    ("POST", "/reviews/{review}", Page(reviews.decide)),
    ("GET", "/drift", Page(drift.show)),
)
"""(method, path, page): every page and every form that Headgate answers."""
