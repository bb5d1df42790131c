"""Templates made into pages: Jinja2 with everything escaped, and the filters that templates use. Called by `visit`.

Model output, questions, names: all are text. Nothing here marks anything as safe but the drawings of `charts`, which
escape what they are given.
"""

from __future__ import annotations

import time
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from . import charts, wording

NAVIGATION = (
    ("/", "Overview", "read"),
    ("/releases", "Releases", "read"),
    ("/traces", "Traces", "traces"),
    ("/incidents", "Incidents", "read"),
    ("/reviews", "Reviews", "review"),
    ("/drift", "Drift", "read"),
)
"""Pages at the top of each page, and the permission without which one is not shown."""


class Renderer:
    """The compiled templates of one server's project."""

    def __init__(self, project: str) -> None:
        self._templates = Environment(
            loader=PackageLoader("headgate.ui"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters.update(wording.FILTERS)
        self._templates.globals.update(project=project, navigation=NAVIGATION, charts=charts)

    def render(self, template: str, values: dict[str, Any]) -> str:
        """Return the page that a template makes of values. `now` (epoch seconds) is what ages are told from."""
        return self._templates.get_template(template).render(now=time.time(), **values)
