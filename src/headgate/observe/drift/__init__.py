"""Drift: what models are asked and say now, against what they were trained on. Built beside the request path."""

from .reading import catch_up
from .show import DriftQuery, DriftShown, DriftSignal, Movement, served_models, show_drift, signals

__all__ = [
    "DriftQuery", "DriftShown", "DriftSignal", "Movement", "catch_up", "served_models", "show_drift", "signals",
]  # fmt: skip
