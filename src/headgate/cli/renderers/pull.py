"""A pull on a terminal: the files that were written, and the proposals that did it."""

from __future__ import annotations

from .proposal import pulled

SHOW = {"pull": pulled}
