"""The policy kind: `policies/<name>.yaml`, the guards of an app, parsed into the document that a release pins.

Called by the loader of kinds for `release create` and `check`. It parses and never guards anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from headgate.guard.changes import explain
from headgate.guard.guard import GuardPlugin
from headgate.guard.policy import Accepted, PolicyDocument, guard_of
from headgate.guard.targets import TargetRules
from headgate.kernel import (
    Draft,
    HeadgateError,
    InvalidInput,
    Kind,
    Reference,
    Source,
    document_of,
    plugins,
    read_yaml,
    validate,
)

_LIMIT = 50


class PolicyText(BaseModel):
    """A policy as people write it: lists of guards, each a name or `name: {options}`, and what targets must be.

    accept: what clients may send beside text (`tools`, `images`, `audio`, `video`, `files`, `other`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    input: tuple[str | dict[str, Any], ...] = ()
    output: tuple[str | dict[str, Any], ...] = ()
    targets: TargetRules | None = None
    accept: tuple[Accepted, ...] | None = None


def parse(root: Path, path: str) -> Draft:
    """Read `<path>.yaml` into a policy draft.

    Raises NotFound, or InvalidInput with file, line and key: an unknown guard or option (naming the nearest), a guard
    with two names, an option that does not fit.
    """
    source = read_yaml(root, f"{path}.yaml")
    text = validate(PolicyText, source)
    if not (text.input or text.output or text.targets or text.accept is not None):
        hint = "or say under `targets` what models must be"
        raise InvalidInput("a policy needs at least one guard under `input` or `output`", hint, where=source.where(()))
    document: dict[str, Any] = {}
    references: list[Reference] = []
    for side, items in (("input", text.input), ("output", text.output)):
        if len(items) > _LIMIT:
            raise InvalidInput(f"names more than {_LIMIT} guards", where=source.where((side,)))
        entries = [_entry(source, item, side, index) for index, item in enumerate(items)]
        references += [
            Reference("prompt", entry["reply"], (side, index, "reply"))
            for index, entry in enumerate(entries)
            if "reply" in entry
        ]
        if entries:
            document[side] = entries
    if text.targets is not None and (targets := document_of(text.targets)):
        document["targets"] = targets
    if text.accept is not None:
        document["accept"] = sorted(set(text.accept))
    return Draft("policy", 1, path, document, references=tuple(references))


def _entry(source: Source, item: str | Mapping[str, Any], side: str, index: int) -> dict[str, Any]:
    name, written, at = _split(source, item, side, index)
    try:
        plugin: GuardPlugin = plugins.load("guards", name)
    except HeadgateError as problem:
        problem.where = source.where(at)
        raise
    options = validate(plugin.options, source, written, at)
    try:
        guard_of(name, plugin, options)
    except HeadgateError as problem:
        problem.where = problem.where or source.where(at)
        raise
    return {"type": name, "behaviour": plugin.behaviour, **document_of(options)}


def _split(
    source: Source, item: str | Mapping[str, Any], side: str, index: int
) -> tuple[str, dict[str, Any], tuple[str | int, ...]]:
    if isinstance(item, str):
        return item, {}, (side, index)
    if len(item) != 1:
        raise InvalidInput(
            f"a guard is one name with its options, found {len(item)} keys",
            "start each guard with its own `-`, its options inside the braces",
            where=source.where((side, index)),
        )
    name, options = next(iter(item.items()))
    if options is not None and not isinstance(options, Mapping):
        raise InvalidInput(
            f"the options of {name} are a mapping, found {options!r}",
            f"write `- {name}: {{action: block}}`",
            where=source.where((side, index, name)),
        )
    return name, dict(options or {}), (side, index, name)


plugin = Kind(name="policy", schema=1, model=PolicyDocument, parse=parse, explain=explain)
