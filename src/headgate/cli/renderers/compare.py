"""Two releases side by side on a terminal."""

from __future__ import annotations

from .eval import compared

SHOW = {"compare": compared}
