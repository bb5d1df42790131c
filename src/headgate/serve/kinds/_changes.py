"""Differences between two documents in people's terms, for `release diff`. Called by the kinds' `explain`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

_LINES = 12
_WIDTH = 160


def changed_text(what: str, old: str, new: str) -> list[str]:
    """Return nothing when equal, else one sentence followed by the changed lines, each led by `- ` or `+ `."""
    if old == new:
        return []
    if not old or not new:
        return [f"{what} was {'added' if new else 'removed'}: {_short(new or old)}"]
    lines = [
        f"  {line[0]} {_short(line[2:])}"
        for line in difflib.ndiff(old.split("\n"), new.split("\n"))
        if line[0] in "+-" and line[2:].strip()
    ]
    more = [f"  … {len(lines) - _LINES} more lines"] if len(lines) > _LINES else []
    return [f"{what} changed:", *lines[:_LINES], *more]


def changed_values(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each key that was added, removed or changed."""
    said = []
    for key in sorted({*old, *new}):
        if key not in old:
            said.append(f"{what} {key} is now {_shown(new[key])} (was not set)")
        elif key not in new:
            said.append(f"{what} {key} is no longer set (was {_shown(old[key])})")
        elif old[key] != new[key]:
            said.append(f"{what} {key}: {_shown(old[key])} → {_shown(new[key])}")
    return said


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value) or "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items()) or "nothing"
    return _short(str(value))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
