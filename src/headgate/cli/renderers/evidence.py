"""Stored evidence on a terminal."""

from __future__ import annotations

from .eval import evaluated

SHOW = {"evidence.show": evaluated}
