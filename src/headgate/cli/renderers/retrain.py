"""A retraining on a terminal when its job has ended: shown like any other."""

from __future__ import annotations

from .retraining import shown

SHOW = {"retrain": shown}
