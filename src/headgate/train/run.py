"""The local operation `train`: run a pipeline, measure it, convert it, check the conversion, register and lock it.

Called by people and CI, on their machine. It writes nothing but the lock, and that only when everything went well.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.artifacts import Lock, ModelEntry, upload
from headgate.data import Batch, encode_rows, locked_batch
from headgate.kernel import Draft, InvalidInput, Where, Workspace, blob_digest, nearest, parse_yaml, plugins
from headgate.models import Prediction, load_model

from .convert import Agreement, Input, agree, labels_of, to_onnx
from .environment import environment, seeded
from .loading import calling, load_pipeline, project_code
from .metrics import Measured, by_segment, measure
from .pipeline import Pipeline, Row, TrainingRows
from .sources import digest_of, sources_of
from .split import split

_TYPES = {"string": "text", "integer": "number", "number": "number", "boolean": "number"}
_STEPS = 5


class TrainRun(BaseModel):
    """What to train, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str = Field(description="the training pipeline, as in models/router")
    seed: int = Field(0, ge=0, lt=2**32, description="where all randomness comes from; it also decides the split")
    param: tuple[str, ...] = Field((), description="a parameter of the pipeline, as in C=10; may be repeated")


class TrainResult(BaseModel):
    """A trained, checked and locked model. `previous` are the metrics of the model that was locked before."""

    model_config = ConfigDict(frozen=True)
    model: str
    digest: str
    new: bool
    dataset: str
    code: str
    rows: int
    holdout: int
    labels: list[str]
    metrics: dict[str, float]
    previous: dict[str, float]
    segments: dict[str, dict[str, Measured]]
    equal_labels: float
    largest_difference: float
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class _Task:
    """One training: the pipeline, the data it asked for, and everything that decides the outcome."""

    root: Path
    path: str
    pipeline: Pipeline
    batch: Batch
    dataset: str
    seed: int
    params: dict[str, Any]
    inputs: tuple[Input, ...]

    @property
    def where(self) -> Where:
        return Where(f"{self.path}.py")


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What came out: the ONNX bytes and their document, the held-out rows and what the model says of them."""

    content: bytes
    document: dict[str, Any]
    train: list[Row]
    held: list[Row]
    said: list[Prediction]
    agreement: Agreement
    warnings: list[str]


def run(workspace: Workspace, request: TrainRun) -> TrainResult:
    """Train a model from the locked version of its dataset.

    Raises InvalidInput with file and line for mistakes in the pipeline, for data that changed since it was added, and
    for a model whose ONNX form does not answer the same; then nothing was registered and the lock stays.
    """
    root, path = workspace.root, request.model.removesuffix(".py").strip("/")
    files = sources_of(root, path)
    with project_code(root):
        workspace.report(f"reading {path}.py and its data", 0, _STEPS)
        task = _prepare(root, path, request)
        fitted = _fit(workspace, task)
    code = digest_of(files)
    draft, entry = _draft(task, fitted, code, files)
    known = Lock.read(root).model(path)
    workspace.report("registering", 4, _STEPS)
    upload(workspace, [task.batch.draft(), draft])
    Lock.update(root, "models", path, entry)
    workspace.report(f"{path} is locked", _STEPS, _STEPS)
    return TrainResult(
        model=path,
        digest=draft.digest,
        new=known is None or known.digest != draft.digest,
        dataset=task.dataset,
        code=code,
        rows=len(fitted.train),
        holdout=len(fitted.held),
        labels=list(fitted.document["labels"]),
        metrics=entry.metrics,
        previous=known.metrics if known else {},
        segments=by_segment(fitted.held, fitted.said, task.pipeline.target, task.pipeline.segments),
        equal_labels=fitted.agreement.labels,
        largest_difference=fitted.agreement.difference,
        warnings=fitted.warnings,
    )


def _prepare(root: Path, path: str, request: TrainRun) -> _Task:
    """Load the pipeline and its data, and check that they fit together."""
    file = f"{path}.py"
    pipeline = load_pipeline(root, path)
    batch, dataset = locked_batch(root, pipeline.dataset)
    types = {column["name"]: column["type"] for column in batch.draft().document["columns"]}
    for word, names in (("target", [pipeline.target]), ("feature", pipeline.features), ("segment", pipeline.segments)):
        for name in names:
            if name not in types:
                told = f"the {word} {name!r} is no column of {pipeline.dataset}"
                raise InvalidInput(told, nearest(name, types), where=Where(file))
    without = sum(row[pipeline.target] is None for row in batch.rows)
    if without:
        told = f"{without} rows of {pipeline.dataset} have no {pipeline.target}"
        raise InvalidInput(told, f"say `required: true` of it in {pipeline.dataset}.yaml", where=Where(file))
    inputs = []
    for name in pipeline.features:
        if types[name] not in _TYPES:
            told = f"the feature {name!r} is of type {types[name]}, a model is given texts or numbers"
            raise InvalidInput(told, where=Where(file))
        inputs.append(Input(name, _TYPES[types[name]]))
    defaults = calling(root, file, lambda: dict(pipeline.defaults()) if pipeline.defaults else {})
    params = _params(defaults, request.param, file)
    return _Task(root, path, pipeline, batch, dataset, request.seed, params, tuple(inputs))


def _params(defaults: Mapping[str, Any], given: Sequence[str], file: str) -> dict[str, Any]:
    params = dict(defaults)
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"{text!r} sets no parameter", "write NAME=VALUE, as in C=10")
        if name not in params:
            hint = nearest(name, params) or "declare parameters with @<pipeline>.params"
            raise InvalidInput(f"the pipeline has no parameter {name!r}", hint, where=Where(file))
        params[name] = parse_yaml(value, f"the parameter {name}").data
    return params


def _fit(workspace: Workspace, task: _Task) -> _Fitted:
    pipeline = task.pipeline
    train, held = split(task.batch.rows, pipeline.target, pipeline.features, task.seed, pipeline.holdout)
    given = TrainingRows(train, task.batch.report.columns)
    workspace.report(f"fitting on {len(train)} rows, {len(held)} are held out", 1, _STEPS)
    fit = pipeline.trains
    assert fit is not None
    with warnings.catch_warnings(record=True) as caught, seeded(task.seed):
        warnings.simplefilter("default")
        model = calling(task.root, task.where.file, lambda: fit(given, dict(task.params)))
    workspace.report("converting to ONNX", 2, _STEPS)
    labels = labels_of(model, task.where)
    content = to_onnx(model, task.path, task.inputs, task.where)
    document = {
        "format": "onnx",
        "file": blob_digest(content),
        "labels": labels,
        "inputs": [{"name": column.name, "type": column.type} for column in task.inputs],
        "behaviour": plugins.load("runtimes", "onnx").behaviour,
    }
    workspace.report("checking the conversion", 3, _STEPS)
    predictor = load_model(document, content)
    agreement = agree(model, predictor, held or train, task.inputs, task.where)
    told = list(dict.fromkeys(f"{item.category.__name__}: {item.message}"[:300] for item in caught))
    return _Fitted(content, document, train, held, predictor.predict(held), agreement, told[:10])


def _draft(task: _Task, fitted: _Fitted, code: str, files: Mapping[str, str]) -> tuple[Draft, ModelEntry]:
    pipeline = task.pipeline
    measured = measure(fitted.held, fitted.said, pipeline.target)
    holdout = encode_rows(fitted.held)
    entry = {
        "dataset": task.dataset,
        "data": pipeline.dataset,
        "code": code,
        "seed": task.seed,
        "params": task.params,
        "environment": environment(),
        "metrics": {name: round(value, 6) for name, value in measured.metrics.items()},
    }
    segments = by_segment(fitted.held, fitted.said, pipeline.target, pipeline.segments)
    about = {
        **entry,
        "files": dict(files),
        "target": pipeline.target,
        "features": list(pipeline.features),
        "segments": list(pipeline.segments),
        "by_segment": {
            name: {value: one.model_dump() for value, one in found.items()} for name, found in segments.items()
        },
        "rows": {"train": len(fitted.train), "holdout": len(fitted.held)},
        "holdout": {"file": blob_digest(holdout), "rows": len(fitted.held)},
    }
    blobs = {fitted.document["file"]: fitted.content, blob_digest(holdout): holdout}
    draft = Draft("model", 1, task.path, fitted.document, blobs, about=about)
    return draft, ModelEntry.model_validate({**entry, "digest": draft.digest})
