"""The stored document of a model, whether its lock is still true, and how two models differ in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from headgate.artifacts import FILE, Lock
from headgate.data import changed_since
from headgate.kernel import InvalidInput, Where, short

from .sources import code_digest


class InputDocument(BaseModel):
    """One column that the model is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    type: Literal["text", "number", "category"]


class ModelDocument(BaseModel):
    """The stored document of a model: `file` names its bytes, `labels` are in the order of its scores."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: str
    file: str
    labels: tuple[str, ...]
    inputs: tuple[InputDocument, ...]
    behaviour: int


def locked(root: Path, path: str, allow_stale: bool) -> str:
    """Return the locked digest of a model.

    Raises InvalidInput when it was never trained, or when its data or code have changed since (unless `allow_stale`).
    """
    lock = Lock.read(root)
    entry = lock.model(path)
    if entry is None:
        raise InvalidInput(f"the model {path} was never trained", f"run `headgate train {path}`", where=Where(FILE))
    if allow_stale:
        return entry.digest
    again = f"retrain with `headgate train {path}`, or use --allow-stale"
    data = lock.dataset(entry.data)
    changed = changed_since(root, entry.data, data) if data else None
    if changed:
        hint = f"run `headgate data add {entry.data}`, then {again}"
        told = f"{path} was trained on other data ({changed} changed since it was added)"
        raise InvalidInput(told, hint, where=Where(changed))
    if data is None or data.digest != entry.dataset:
        told = f"{path} was trained on other data ({entry.data} is another version since)"
        raise InvalidInput(told, again, where=Where(FILE))
    if code_digest(root, path) != entry.code:
        told = f"{path} was trained by other code ({path}.py, or a file that it imports, changed since)"
        raise InvalidInput(told, again, where=Where(f"{path}.py"))
    return entry.digest


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Tell in sentences how two model documents differ."""
    before, after = (ModelDocument.model_validate(dict(document)) for document in (old, new))
    told = [f"the label {label!r} is new" for label in after.labels if label not in before.labels]
    told += [f"the label {label!r} is gone" for label in before.labels if label not in after.labels]
    inputs = [[f"{column.name} ({column.type})" for column in side.inputs] for side in (before, after)]
    if inputs[0] != inputs[1]:
        told.append(f"it is given {', '.join(inputs[1])}, was given {', '.join(inputs[0])}")
    if (before.format, before.behaviour) != (after.format, after.behaviour):
        told.append(f"it runs as {after.format} {after.behaviour}, ran as {before.format} {before.behaviour}")
    if before.file != after.file:
        told.append("it was trained again")
    return told


def explain_lineage(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Tell how two trained versions came about differently, from what is kept `about` them: data, code, metrics."""
    told = []
    for name, word in (("dataset", "data"), ("code", "code")):
        if old.get(name) != new.get(name):
            told.append(f"other {word}: {short(str(old.get(name)))} → {short(str(new.get(name)))}")
    if old.get("seed") != new.get("seed"):
        told.append(f"seed {old.get('seed')} → {new.get('seed')}")
    params = (old.get("params") or {}, new.get("params") or {})
    for name in sorted(params[0].keys() | params[1].keys()):
        if params[0].get(name) != params[1].get(name):
            told.append(f"parameter {name} {params[0].get(name)} → {params[1].get(name)}")
    metrics = (old.get("metrics") or {}, new.get("metrics") or {})
    for name in sorted(metrics[0].keys() & metrics[1].keys()):
        if metrics[0][name] != metrics[1][name]:
            told.append(f"held-out {name} {metrics[0][name]:.3f} → {metrics[1][name]:.3f}")
    return told
