"""The classical models that a release pins, each compiled once when the release is loaded, and what they are asked.

Called by `snapshot` and by the path of an inference. It reads no store: contents are handed in, verified.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.artifacts import Stored
from headgate.models import Predictor, load_model


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a release. `inputs` are (name, type) in the model's order; `labels` are in the order of its scores.

    name: its path and the beginning of its digest, as traces show it.
    """

    path: str
    digest: str
    format: str
    inputs: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    predictor: Predictor
    name: str


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Rows for one model of a release. `id` is the trace's. Each row maps every input of the model to its value."""

    id: str
    path: str
    rows: Sequence[Mapping[str, Any]]
    key_id: str = ""
    session: str = ""


def compile_models(found: Mapping[str, Stored], content: Callable[[str], bytes]) -> dict[str, Model]:
    """Compile every model among a release's artifacts, by path. Raises Corrupt, or MissingExtra without a runtime."""
    models = {}
    for path, stored in found.items():
        if stored.kind == "model":
            document = stored.document
            predictor = load_model(document, content(document["file"]))
            models[path] = Model(
                path=path,
                digest=stored.digest,
                format=document["format"],
                inputs=tuple((item["name"], item["type"]) for item in document["inputs"]),
                labels=tuple(document["labels"]),
                predictor=predictor,
                name=f"{path}@{stored.digest.removeprefix('sha256:')[:12]}",
            )
    return models
