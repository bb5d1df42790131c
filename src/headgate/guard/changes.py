"""How two policies differ, in sentences for people. Called by the policy kind's `explain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from headgate.guard.targets import explain_targets
from headgate.kernel import HeadgateError, plugins


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Tell what changed guard by guard: `input guard injection: action block → flag`, `output guard terms: removed`."""
    guards = [told for side in ("input", "output") for told in _side(side, old.get(side, ()), new.get(side, ()))]
    return guards + _accepts(old.get("accept"), new.get("accept")) + explain_targets(old, new)


def _accepts(old: Sequence[str] | None, new: Sequence[str] | None) -> list[str]:
    if old == new:
        return []
    was, now = ("as the guards say" if names is None else ", ".join(names) or "text only" for names in (old, new))
    return [f"accepts beside text: {was} → {now}"]


def _side(side: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[str]:
    before, after = _named(old), _named(new)
    told = []
    for name in [*before, *(name for name in after if name not in before)]:
        lead = f"{side} guard {name}"
        if name not in after:
            told.append(f"{lead}: removed")
        elif name not in before:
            told.append(f"{lead}: added ({_brief(after[name])})")
        else:
            told += [f"{lead}: {change}" for change in _changes(before[name], after[name])]
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        told.append(f"{side} guards run in another order: {', '.join(after)}")
    return told


def _named(entries: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Name guards by type; a second one of the same type is `pii (2)`."""
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        name, count = str(entry["type"]), 1
        while (key := name if count == 1 else f"{name} ({count})") in found:
            count += 1
        found[key] = entry
    return found


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, after = _options(old), _options(new)
    told = []
    if old.get("behaviour") != new.get("behaviour"):
        told.append(
            f"behaviour {old.get('behaviour')} → {new.get('behaviour')}: it may judge the same text differently"
        )
    for key in sorted({*before, *after}, key=lambda key: (key not in ("mode", "action", "reply"), key)):
        was, now = before.get(key), after.get(key)
        if was == now:
            continue
        if isinstance(was, list) and isinstance(now, list):
            told += _lists(key, was, now)
        else:
            told.append(f"{key} {_shown(was)} → {_shown(now)}")
    return told


def _lists(key: str, was: list[Any], now: list[Any]) -> list[str]:
    gone = [str(item) for item in was if item not in now]
    fresh = [str(item) for item in now if item not in was]
    told = [f"{key} no longer holds {', '.join(gone)}"] if gone else []
    told += [f"{key} now also holds {', '.join(fresh)}"] if fresh else []
    return told or [f"{key} is in another order"]


def _options(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options with their defaults; what this version does not know is shown as it is stored."""
    written = {key: value for key, value in entry.items() if key not in ("type", "behaviour")}
    try:
        plugin = plugins.load("guards", str(entry["type"]))
        return dict(plugin.options.model_validate(written).model_dump(mode="json"))
    except (HeadgateError, ValidationError):
        return written


def _brief(entry: Mapping[str, Any]) -> str:
    options = _options(entry)
    observed = ", only observes" if options.get("mode") == "observe" else ""
    return f"action {options.get('action', 'unknown')}{observed}"


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
