"""Classical models as something that answers: rows in, labels with confidence out.

Called by `serve` (routing), `evaluate` (holdouts) and `train` (checked conversion). What is loaded comes from a blob
and is data, never code (P17).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headgate.kernel import Corrupt, plugins


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest label, how sure the model is (0 to 1), and the score of every label."""

    label: str
    confidence: float
    scores: Mapping[str, float]


class Predictor(Protocol):
    labels: tuple[str, ...]

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        """Return one prediction a row. Raises InvalidInput when a row lacks an input or holds the wrong type."""
        ...


def load_model(document: Mapping[str, Any], content: bytes) -> Predictor:
    """Compile a model artifact with the runtime that its `format` names. Raises Corrupt, or MissingExtra."""
    runtime = document.get("format")
    if not isinstance(runtime, str) or runtime not in plugins.names("runtimes"):
        raise Corrupt(f"no runtime loads models of the format {runtime!r}", "train it again with this version")
    predictor: Predictor = plugins.load("runtimes", runtime).load(document, content)
    return predictor
