"""Which way a request takes: a classical model decides the label, the app's table the route. Called by `execute`.

A model that fails decides nothing: the caller answers with the safe template, never with a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.models import Predictor
from headgate.retrieve import Retriever

from .asking.prompt import Prompt
from .calling.chain import Chain, compile_chain
from .kinds._wiring import DEFAULT

NOBODY = compile_chain([])


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a label leads: to a human (`reply` is what the asker gets at once) or to a chain of models."""

    name: str
    reply: str | None = None
    chain: Chain = NOBODY
    prompt: Prompt | None = None
    retriever: Retriever | None = None
    retrieval: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the router said: no label and full confidence when there is no model."""

    label: str
    confidence: float
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Router:
    """A compiled router. `inputs` are the model's (name, type); `text` is the input that takes the question."""

    path: str
    predictor: Predictor
    inputs: tuple[tuple[str, str], ...]
    text: str

    def decide(self, question: str, metadata: Any) -> Decision:
        """Predict from the question and, for the other inputs, the request's `metadata`. CPU only, well under 1 ms."""
        found = self.predictor.predict([self.row(question, metadata)])[0]
        return Decision(found.label, float(found.confidence), found.scores)

    def row(self, question: str, metadata: Any) -> dict[str, Any]:
        """Return the model's inputs: what the request does not say is '' or, for numbers, NaN."""
        given = metadata if isinstance(metadata, Mapping) else {}
        return {name: question if name == self.text else _value(given.get(name), sort) for name, sort in self.inputs}


def _value(value: Any, sort: str) -> Any:
    if sort != "number":
        return value if isinstance(value, str) else "" if value is None else str(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def compile_router(path: str, document: Mapping[str, Any], predictor: Predictor) -> Router:
    """Compile a model's document; its first text input takes the question."""
    inputs = tuple((item["name"], item["type"]) for item in document["inputs"])
    text = next((name for name, sort in inputs if sort == "text"), "")
    return Router(path, predictor, inputs, text)


def destination(routes: Mapping[str, Destination], label: str) -> Destination | None:
    """Return the label's route or the default, None when there is neither."""
    return routes.get(label) or routes.get(DEFAULT)
