"""How a retrieval is written and stored: the YAML file's model, the artifact's model, and plugins' options in both.

Called by the kind (`kinds/retrieval.py`) and by `search`. It reads no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from headgate.kernel import InvalidInput, document_of, nearest, plugins

Part = Literal["chunker", "embedder", "store"]
PARTS: Mapping[Part, tuple[str, str]] = {
    "chunker": ("chunkers", "markdown"),
    "embedder": ("embedders", "hashed"),
    "store": ("stores", "embedded"),
}
"""The parts of a retrieval that are plugins: their group, and which one is used when none is named."""


class Fusion(BaseModel):
    """How the two rankings become one, by reciprocal ranks: each adds `weight / (k + rank)`.

    Source: Cormack, Clarke, Büttcher, "Reciprocal rank fusion …", SIGIR 2009. `pool`: how deep each ranking is read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["rrf"] = "rrf"
    k: int = Field(default=10, ge=1, le=1000)
    words: float = Field(default=1.0, ge=0, le=100)
    vectors: float = Field(default=0.25, ge=0, le=100)
    pool: int = Field(default=50, ge=1, le=1000)


FUSION_BEHAVIOUR = 1


class Written(BaseModel):
    """`retrieval/<name>.yaml`: which pages, and how they are cut, embedded, searched and merged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpus: tuple[str, ...] = Field(min_length=1)
    chunker: str | dict[str, Any] = PARTS["chunker"][1]
    embedder: str | dict[str, Any] = PARTS["embedder"][1]
    store: str | dict[str, Any] = PARTS["store"][1]
    fusion: Fusion = Fusion()
    top_k: int = Field(default=5, ge=1, le=50)

    @field_validator("corpus", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class Page(BaseModel):
    """One page of the corpus: its path without extension, and the digest of its text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    digest: str


class Document(BaseModel):
    """The stored artifact. Plugins stand as `{type, behaviour, options that differ from their defaults}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpus: tuple[Page, ...]
    chunker: dict[str, Any]
    embedder: dict[str, Any]
    store: dict[str, Any]
    fusion: dict[str, Any]
    top_k: int = 5


def pinned(part: Part, written: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored form of a plugin as written. Raises InvalidInput for a name or option that is not known."""
    name, options = _split(part, written)
    plugin = plugins.load(PARTS[part][0], name)
    return {"type": name, "behaviour": plugin.behaviour, **document_of(_options(plugin, name, options))}


def fusion_of(document: Mapping[str, Any]) -> Fusion:
    return Fusion.model_validate({key: value for key, value in document.items() if key != "behaviour"})


def loaded(part: Part, stored: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the plugin object and the options that a stored document names."""
    name, options = _split(part, {key: value for key, value in stored.items() if key != "behaviour"})
    plugin = plugins.load(PARTS[part][0], name)
    return plugin, _options(plugin, name, options)


def _split(part: Part, written: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(written, str):
        return written, {}
    options = dict(written)
    name = options.pop("type", None)
    if not isinstance(name, str):
        raise InvalidInput("has no type", nearest("", plugins.names(PARTS[part][0])))
    return name, options


def _options(plugin: Any, name: str, options: Mapping[str, Any]) -> BaseModel:
    try:
        made: BaseModel = plugin.options.model_validate(dict(options))
    except ValidationError as problems:
        first = problems.errors(include_url=False)[0]
        key = ".".join(str(step) for step in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InvalidInput(f"{name} has no option {key!r}", nearest(key, plugin.options.model_fields)) from None
        raise InvalidInput(f"{name}: {key}: {first['msg']}, found {first.get('input')!r}") from None
    return made
