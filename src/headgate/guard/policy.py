"""A policy compiled for the request path, and how its guards are written and stored.

Called when a release is loaded (`compile_policy`) and by the policy kind. It guards nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from headgate.kernel import Corrupt, HeadgateError, plugins

from .checking import OnThread
from .guard import Checker, Guard, GuardOptions, GuardPlugin, Unit
from .targets import TargetRules


class PolicyDocument(BaseModel):
    """The stored policy: guards of each side in order, as `{type, behaviour, options that differ from defaults}`.

    targets: what is demanded of the models that an app may call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    input: tuple[dict[str, Any], ...] = ()
    output: tuple[dict[str, Any], ...] = ()
    targets: TargetRules | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Compiled guards of both sides, and for each guard that has one the path of the prompt to reply with."""

    input: tuple[Guard, ...] = ()
    output: tuple[Guard, ...] = ()
    replies: Mapping[str, str] = field(default_factory=dict)


def compile_policy(document: Mapping[str, Any]) -> Policy:
    """Make the guards of a stored policy; an empty document has none. Raises Corrupt when one cannot be made."""
    sides = {side: tuple(compile_guard(entry) for entry in document.get(side, ())) for side in ("input", "output")}
    guards = [*sides["input"], *sides["output"]]
    replies = {guard.name: guard.reply for guard in guards if guard.reply}
    return Policy(sides["input"], sides["output"], replies)


def compile_guard(entry: Mapping[str, Any]) -> Guard:
    """Make one guard from `{type, behaviour, options}`. Raises Corrupt, naming the guard."""
    name = str(entry.get("type", ""))
    written = {key: value for key, value in entry.items() if key not in ("type", "behaviour")}
    try:
        plugin: GuardPlugin = plugins.load("guards", name)
        options = plugin.options.model_validate(written)
        return guard_of(name, plugin, options)
    except (HeadgateError, ValidationError) as problem:
        told = problem.message if isinstance(problem, HeadgateError) else str(problem.errors()[0]["msg"])
        raise Corrupt(f"the guard {name!r} of the policy cannot be made: {told}", "create the release again") from None


def guard_of(name: str, plugin: GuardPlugin, options: GuardOptions) -> Guard:
    """Compile one guard; one that is not built in gets a thread and a time limit."""
    checker: Checker = plugin.make(options)
    trusted = plugins.names("guards").get(name, "").startswith("headgate.guard.guards.")
    unit: Unit = getattr(checker, "unit", getattr(plugin, "unit", "answer"))
    return Guard(
        name=name,
        checker=checker if trusted else OnThread(checker),
        action=options.action,
        mode=options.mode,
        unit=unit,
        reply=options.reply,
        trusted=trusted,
    )
