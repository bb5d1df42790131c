"""Two versions of a retrieval, told apart in people's words. Called by `release diff` through the kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = 8


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return one sentence per difference that can change what is found: pages first, then settings."""
    before, after = ({page["path"]: page["digest"] for page in document["corpus"]} for document in (old, new))
    changed = [path for path in sorted(before.keys() & after.keys()) if before[path] != after[path]]
    found = []
    for verb, paths in (
        ("added", sorted(after.keys() - before.keys())),
        ("removed", sorted(before.keys() - after.keys())),
        ("changed", changed),
    ):
        if paths:
            found.append(f"{_count(len(paths))} {verb}: {_listed(paths)}")
    for part in ("chunker", "embedder", "store", "fusion"):
        found += _part(part, old[part], new[part])
    if old.get("top_k", 5) != new.get("top_k", 5):
        found.append(f"passages per question (top_k): {old.get('top_k', 5)} → {new.get('top_k', 5)}")
    return found


def _part(part: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    if old["type"] != new["type"]:
        return [f"{part}: {old['type']} → {new['type']}"]
    found = []
    for key in sorted((old.keys() | new.keys()) - {"type", "behaviour"}):
        if old.get(key) != new.get(key):
            found.append(f"{part}.{key}: {old.get(key, 'default')} → {new.get(key, 'default')}")
    if old.get("behaviour") != new.get("behaviour"):
        found.append(f"{part} {new['type']} works differently in this version of Headgate")
    return found


def _count(number: int) -> str:
    return "1 page" if number == 1 else f"{number} pages"


def _listed(paths: list[str]) -> str:
    rest = len(paths) - _SHOWN
    return ", ".join(paths[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
