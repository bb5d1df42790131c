"""What a row of the table points at: the function, its request model and its result model, imported on first use.

Called by `perform`, the CLI (options from the request model) and HTTP (OpenAPI from both).
"""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

from headgate.kernel import InvalidInput, Source, Where, plugins, validate

from .operations import Operation


@dataclass(frozen=True, slots=True)
class Target:
    """An operation's code: `function(context, request) -> result`."""

    function: Callable[[Any, Any], Any]
    request: type[BaseModel]
    result: type[BaseModel]


@cache
def resolve(operation: Operation) -> Target:
    """Import what a row names. Raises MissingExtra when a library that it needs is not installed."""
    module, _, name = operation.target.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as problem:
        raise plugins.missing(problem.name or "a library", f"`{operation.name}`") from None
    hints = get_type_hints(function)
    result = hints.pop("return")
    parameters = list(hints.values())
    return Target(function, parameters[1], result)


def read_request(model: type[BaseModel], data: Mapping[str, Any] | BaseModel) -> Any:
    """Check JSON-like data against a request model.

    Raises InvalidInput for the first problem, naming the key and the nearest valid one.
    """
    if isinstance(data, BaseModel):
        data = data.model_dump(mode="json", by_alias=True)
    try:
        return model.model_validate(data)
    except ValidationError:
        source = Source("request", "", dict(data), dict.fromkeys(_paths(data, ()), 1))
    try:
        return validate(model, source)
    except InvalidInput as problem:
        key = problem.where.key if problem.where else None
        raise InvalidInput(problem.message, problem.hint, where=Where("request", None, key)) from None


def _paths(value: Any, at: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of every key and item, so that an error can name the one that is wrong."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        yield (*at, key)
        yield from _paths(item, (*at, key))


def is_list(annotation: Any) -> bool:
    """Whether a field takes several values: `list[str]`, `tuple[str, ...]`, or either of them or None."""
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset):
        return True
    return origin in (types.UnionType, Union) and any(is_list(part) for part in get_args(annotation))


def secrets_of(model: type[BaseModel]) -> frozenset[str]:
    """Return the fields of a result that are shown once and never stored: `json_schema_extra={"secret": True}`."""
    return frozenset(
        name
        for name, info in model.model_fields.items()
        if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("secret")
    )
