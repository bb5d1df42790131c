"""Spans at rest: requests of the gateway, spans that others sent, what both come to, and the thread that writes them.

`serve` and the OTLP edge write through `Spans`, `observe` and `improve` read. Nothing else opens the span file.
"""

from .latency import Latency
from .query import SpanQuery
from .rollup import STEPS, Grain, Rollup
from .spans import Spans

__all__ = ["STEPS", "Grain", "Latency", "Rollup", "SpanQuery", "Spans"]
