"""The operation `release.diff`: every difference between two releases that can change an answer, in people's terms.

Called by people, the pull-request comment and reviewers. Each kind explains its own documents; what no kind explains
is told key by key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate import artifacts
from headgate.evaluate import find_release
from headgate.kernel import Kind, dotted, plugins, short
from headgate.models import STRICT, facts_of
from headgate.models import told as said
from headgate.store import Context
from headgate.train import explain_lineage

from .build import Manifest, Pin

_LINES = 20


class ReleaseDiff(BaseModel):
    """Which two releases."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    a: str = Field(description="the older release: digest, its beginning, or an environment such as prod")
    b: str = Field(description="the newer release")


class ArtifactChange(BaseModel):
    """One artifact, or one provider model, that differs, and how."""

    model_config = ConfigDict(frozen=True)
    path: str
    kind: str
    change: Literal["added", "removed", "changed"]
    sentences: list[str]
    before: str = ""
    after: str = ""


class DiffResult(BaseModel):
    """All differences; none when both names mean the same release."""

    model_config = ConfigDict(frozen=True)
    a: str
    b: str
    same: bool
    changes: list[ArtifactChange]


def diff(ctx: Context, request: ReleaseDiff) -> DiffResult:
    """Tell what differs between two releases. Raises NotFound when a name fits none."""
    project = ctx.principal.project
    old, new = (find_release(ctx.tx, project, name) for name in (request.a, request.b))
    before, after = (Manifest.model_validate(row["manifest"]) for row in (old, new))
    changes = []
    for path in sorted(before.pins.keys() | after.pins.keys()):
        pins = before.pins.get(path), after.pins.get(path)
        if pins[0] != pins[1]:
            changes.append(_change(ctx, path, *pins))
    changes += _provider_changes(before.providers, after.providers)
    if before.app != after.app:
        sentences = [f"the app is {after.app}, was {before.app}"]
        changes.append(ArtifactChange(path="app", kind="app", change="changed", sentences=sentences))
    return DiffResult(a=old["digest"], b=new["digest"], same=old["digest"] == new["digest"], changes=changes)


def explain(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Tell in sentences how two documents of a kind differ."""
    known = plugins.names("kinds")
    plugin: Kind | None = plugins.load("kinds", kind) if kind in known else None
    told = plugin.explain(old, new) if plugin and plugin.explain else []
    return told or list(generic(old, new))


def generic(old: Any, new: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Tell key by key how two JSON-like values differ; texts of several lines line by line."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            if key not in new:
                yield f"{dotted((*path, key))} was {_shown(old[key])}, is gone"
            elif key not in old:
                yield f"{dotted((*path, key))} is new: {_shown(new[key])}"
            else:
                yield from generic(old[key], new[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from generic(*pair, (*path, index))
    elif isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
        yield f"{dotted(path)}:"
        yield from _lines(old, new)
    else:
        yield f"{dotted(path)} was {_shown(old)}, is {_shown(new)}"


def _lines(old: str, new: str) -> Iterator[str]:
    changed = [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line.startswith(("- ", "+ "))]
    yield from changed[:_LINES]
    if len(changed) > _LINES:
        yield f"… and {len(changed) - _LINES} more lines"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = short(text)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _change(ctx: Context, path: str, old: Pin | None, new: Pin | None) -> ArtifactChange:
    pin = new or old
    assert pin is not None
    if old is None or new is None:
        change: Literal["added", "removed"] = "added" if old is None else "removed"
        sentences = [f"the {pin.kind} {path} {'is new' if old is None else 'was removed'}"]
        names = {"after": pin.digest} if old is None else {"before": pin.digest}
        return ArtifactChange(path=path, kind=pin.kind, change=change, sentences=sentences, **names)
    project = ctx.principal.project
    documents = [artifacts.get(ctx.tx, project, side.digest) for side in (old, new)]
    sentences = explain(pin.kind, documents[0].document, documents[1].document)
    if pin.kind == "model":
        sentences += explain_lineage(documents[0].about, documents[1].about)
    return ArtifactChange(
        path=path, kind=pin.kind, change="changed", sentences=sentences, before=old.digest, after=new.digest
    )


def _provider_changes(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> list[ArtifactChange]:
    changes = []
    for target in sorted(old.keys() | new.keys()):
        before, after = old.get(target), new.get(target)
        if before == after:
            continue
        if before is None or after is None:
            change: Literal["added", "removed", "changed"] = "added" if before is None else "removed"
            told = [f"the app {'may now call' if before is None else 'no longer calls'} {target}"]
        else:
            change, told = "changed", list(_provider_change(target, before, after))
        changes.append(ArtifactChange(path=target, kind="provider", change=change, sentences=told))
    return changes


def _provider_change(target: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Tell facts in words, all else of an identity key by key."""
    before, after = facts_of(old), facts_of(new)
    for name in STRICT:
        if getattr(before, name) != getattr(after, name):
            yield f"{target} {said(name, after)} (before: {said(name, before)})"
    was, now = ({**side, "facts": {"supports": side.get("facts", {}).get("supports", [])}} for side in (old, new))
    yield from (f"{target}: {sentence}" for sentence in generic(was, now))
