"""A policy as it runs: the guards of both sides, compiled once when a release is loaded. Called by `serve`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headgate.kernel import plugins

from .guard import Guard, GuardPlugin

_META = ("type", "behaviour")


@dataclass(frozen=True, slots=True)
class Policy:
    """What looks at questions and at answers, in order; `replies` maps a guard to the template sent when it blocks."""

    input: tuple[Guard, ...] = ()
    output: tuple[Guard, ...] = ()
    replies: Mapping[str, str] = field(default_factory=dict)


def compile_policy(document: Mapping[str, Any]) -> Policy:
    """Compile a stored policy. Raises what building a guard raises."""
    sides = {side: tuple(_guard(item) for item in document.get(side, ())) for side in ("input", "output")}
    both: Sequence[Guard] = (*sides["input"], *sides["output"])
    return Policy(sides["input"], sides["output"], {guard.name: guard.reply for guard in both if guard.reply})


def _guard(item: Mapping[str, Any]) -> Guard:
    name = item["type"]
    plugin: GuardPlugin = plugins.load("guards", name)
    options = plugin.options.model_validate({key: value for key, value in item.items() if key not in _META})
    check = plugin.make(options)
    ours = plugins.names("guards")[name].startswith("headgate.")
    return Guard(name, check.look, options.action, options.mode, check.unit, options.reply, ours)
