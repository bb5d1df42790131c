"""The one door for plugins: built-ins are files in a plugin folder, strangers come by entry point.

A group is a plural folder name (`guards`, `scorers`, `providers`, `kinds` …). Built-ins are
`headgate/<package>/<group>/<name>.py`; strangers declare an entry point in the group `headgate.<group>`.
The file's name is the plugin's name in configuration (`_` written `-`). Every plugin module holds one
object named `plugin`; what it must be is the group's protocol, checked by `tests/conformance/`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from .errors import HeadgateError, InvalidInput, Unavailable, nearest

_ROOT = Path(__file__).parent.parent


class MissingExtra(Unavailable):
    """An optional library is not installed; the hint says which extra to install."""


class Plugin(Protocol):
    """What every plugin has: `options` is its pydantic model, `behaviour` changes when its answers would."""

    behaviour: int


@cache
def names(group: str) -> Mapping[str, str]:
    """Return plugin names of a group and the module (or entry point value) that holds each, sorted by name."""
    found = {
        file.stem.replace("_", "-"): f"headgate.{file.parts[-3]}.{group}.{file.stem}"
        for file in _ROOT.glob(f"*/{group}/*.py")
        if not file.stem.startswith("_")
    }
    for name, value in _strangers(group).items():
        found.setdefault(name, value)
    return dict(sorted(found.items()))


def load(group: str, name: str) -> Any:
    """Return the `plugin` object called `name` in `group`.

    Raises InvalidInput naming the nearest plugin when there is none, and MissingExtra (`install headgate[x]`)
    when a library that it needs is absent.
    """
    known = names(group)
    if name not in known:
        raise InvalidInput(f"there is no {group.removesuffix('s')} called {name!r}", nearest(name, known))
    module, _, attribute = known[name].partition(":")
    try:
        return getattr(importlib.import_module(module), attribute or "plugin")
    except HeadgateError:
        raise
    except ModuleNotFoundError as problem:
        raise missing(problem.name or "a library", name, module) from None
    except Exception as problem:  # one of the four boundaries: a plugin that cannot be loaded
        raise Unavailable(f"the {group.removesuffix('s')} {name!r} cannot be loaded: {problem!r}") from problem


def missing(library: str, what: str, module: str = "") -> MissingExtra:
    """Build the error for an absent optional library, naming the extra that brings it."""
    extra = EXTRAS.get(library.partition(".")[0])
    hint = f"install headgate[{extra}]" if extra else f"install {library}"
    return MissingExtra(f"{what} needs the library {library}, which is not installed", hint)


EXTRAS = {
    "onnxruntime": "onnx",
    "sklearn": "ml",
    "skl2onnx": "ml",
    "onnx": "ml",
    "psycopg": "postgres",
    "detect_secrets": "secrets",
    "boto3": "bedrock",
    "botocore": "bedrock",
    "litellm": "litellm",
}
"""Which extra of headgate brings an optional library."""


@cache
def _strangers(group: str) -> Mapping[str, str]:
    from importlib.metadata import entry_points

    return {entry.name: entry.value for entry in entry_points(group=f"headgate.{group}")}
