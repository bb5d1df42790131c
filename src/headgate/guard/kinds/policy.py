"""The policy kind: `policies/<name>.yaml`, the guards on what comes in and what goes out.

Called by the loader of kinds. Every guard is stored with its options and its behaviour, so that a changed guard is a
changed policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.guard.guard import GuardPlugin
from headgate.kernel import (
    Draft,
    InvalidInput,
    Kind,
    Reference,
    Source,
    nearest,
    plugins,
    read_yaml,
    references,
    validate,
)

_STRICT = ConfigDict(frozen=True, extra="forbid")


class PolicyText(BaseModel):
    """A policy as written: each item a guard's name, or `{name: {options}}`."""

    model_config = _STRICT
    input: tuple[str | dict[str, Any], ...] = ()
    output: tuple[str | dict[str, Any], ...] = ()


class PolicyDocument(BaseModel):
    """A policy as stored: guards in order, each with `type`, `behaviour` and the options that are not default."""

    model_config = _STRICT
    input: tuple[dict[str, Any], ...] = Field((), description="guards on questions, in order")
    output: tuple[dict[str, Any], ...] = Field((), description="guards on answers, in order")


def parse(root: Path, path: str) -> Draft:
    """Read `<path>.yaml`. Raises NotFound, or InvalidInput with file, line, key and the nearest guard or option."""
    source = read_yaml(root, f"{path}.yaml")
    text = validate(PolicyText, source)
    document: dict[str, Any] = {}
    found: list[Reference] = []
    for side, items in (("input", text.input), ("output", text.output)):
        if items:
            document[side] = [_item(source, side, index, item, found) for index, item in enumerate(items)]
    if not document:
        raise InvalidInput("the policy has no guards", "name some under input: or output:", where=source.where(()))
    return Draft("policy", 1, path, document, references=tuple(found))


def _item(source: Source, side: str, index: int, item: str | dict[str, Any], found: list[Reference]) -> dict[str, Any]:
    at: tuple[str | int, ...] = (side, index)
    name, written = (item, None) if isinstance(item, str) else next(iter(item.items()), ("", None))
    if not isinstance(item, str) and len(item) != 1:
        hint = "start each guard with its own `-`"
        raise InvalidInput(
            f"a guard is one name with its options, found {len(item)} keys", hint, where=source.where(at)
        )
    key = at if isinstance(item, str) else (*at, name)
    known = plugins.names("guards")
    if name not in known:
        raise InvalidInput(f"there is no guard called {name!r}", nearest(name, known), where=source.where(key))
    plugin: GuardPlugin = plugins.load("guards", name)
    options = validate(plugin.options, source, {} if written is None else written, key)
    if options.action == "mask" and not plugin.masks:
        hint = "use block or flag"
        raise InvalidInput(f"the guard {name!r} cannot mask", hint, where=source.where((*key, "action")))
    found += references(options, key)
    plain = options.model_dump(mode="json", exclude_defaults=True)
    return {"type": name, "action": options.action, "behaviour": plugin.behaviour, **plain}


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Tell what two versions of a policy do differently, guard by guard."""
    sides: tuple[Literal["input", "output"], ...] = ("input", "output")
    return [line for side in sides for line in _explain_side(side, old.get(side, []), new.get(side, []))]


def _explain_side(side: str, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    before, after = {item["type"]: item for item in old}, {item["type"]: item for item in new}
    told = [f"{side} guard {name}: removed" for name in before if name not in after]
    told += [f"{side} guard {name}: added (action {after[name]['action']})" for name in after if name not in before]
    for name in (name for name in after if name in before):
        keys = sorted({*before[name], *after[name]} - {"type"})
        for key in keys:
            was, now = before[name].get(key), after[name].get(key)
            if was != now:
                told.append(f"{side} guard {name}: {key} {_words(was)} → {_words(now)}")
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        told.append(f"{side} guards run in another order: {', '.join(after)}")
    return told


def _words(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return "default" if value is None else str(value)


plugin = Kind(name="policy", schema=1, model=PolicyDocument, parse=parse, explain=explain)
