"""What an artifact kind is. The package that understands a kind declares one in its `kinds/` folder.

`artifacts` stores what these return and understands none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from .digest import canonical, digest


@dataclass(frozen=True, slots=True)
class Reference:
    """A path without extension to another artifact, found at `key` of the document that names it."""

    kind: str
    path: str
    key: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """One parsed version of an artifact, not yet stored.

    `document` is JSON-like with defaults left out; `blobs` maps digests that the document names to their bytes;
    `about` is lineage and metrics: kept with the version, no part of its identity.
    """

    kind: str
    schema: int
    path: str
    document: Mapping[str, Any]
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest(self.kind, self.schema, canonical(dict(self.document)))


@dataclass(frozen=True, slots=True)
class Kind:
    """How files become artifacts of one kind.

    name: as in the table of words (`prompt`). schema: number of the document's shape. model: pydantic model of
    the stored document. parse: (project root, path without extension) -> Draft; raises InvalidInput / NotFound
    with file, line and key. explain: (old document, new document) -> sentences for `release diff`, None for the
    generic key-by-key account. locked: for trained and ingested things, (root, path, allow_stale) -> digest that
    `headgate.lock` holds; raises InvalidInput "retrain or --allow-stale" when an input has changed; then `parse` is
    never called by a release.
    """

    name: str
    schema: int
    model: type[BaseModel]
    parse: Callable[[Path, str], Draft]
    explain: Callable[[Mapping[str, Any], Mapping[str, Any]], list[str]] | None = None
    locked: Callable[[Path, str, bool], str] | None = None


@dataclass(frozen=True, slots=True)
class Refers:
    """Marks a text field of a kind's model as the path of another artifact."""

    kind: str


PromptPath = Annotated[str, Refers("prompt")]
PolicyPath = Annotated[str, Refers("policy")]
ContractPath = Annotated[str, Refers("contract")]
RetrievalPath = Annotated[str, Refers("retrieval")]
ModelPath = Annotated[str, Refers("model")]
DatasetPath = Annotated[str, Refers("dataset")]
PricesPath = Annotated[str, Refers("prices")]
SuitePath = Annotated[str, Refers("suite")]


def references(model: BaseModel, at: tuple[str | int, ...] = ()) -> tuple[Reference, ...]:
    """Collect every field of a parsed model that is marked with `Refers`, in order, with its key path."""
    found: list[Reference] = []
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        key = (*at, info.alias or name)
        marks = [mark for mark in info.metadata if isinstance(mark, Refers)]
        found += _collect(value, info.annotation, marks[0] if marks else None, key)
    return tuple(found)


def _collect(value: Any, annotation: Any, mark: Refers | None, key: tuple[str | int, ...]) -> list[Reference]:
    mark = mark or _mark(annotation)
    if isinstance(value, BaseModel):
        return list(references(value, key))
    if isinstance(value, str):
        return [Reference(mark.kind, value, key)] if mark else []
    if isinstance(value, Mapping):
        return [found for name, item in value.items() for found in _collect(item, annotation, mark, (*key, name))]
    if isinstance(value, list | tuple):
        return [found for index, item in enumerate(value) for found in _collect(item, annotation, mark, (*key, index))]
    return []


def _mark(annotation: Any) -> Refers | None:
    if get_origin(annotation) is Annotated:
        return next((mark for mark in get_args(annotation)[1:] if isinstance(mark, Refers)), None)
    return next((mark for part in get_args(annotation) if (mark := _mark(part))), None)
