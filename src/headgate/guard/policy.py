"""A policy compiled for the request path, and how its guards are written and stored.

Called when a release is loaded (`compile_policy`) and by the policy kind. It guards nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headgate.kernel import Corrupt, HeadgateError, plugins

from .checking import OnThread
from .guard import Checker, Guard, GuardOptions, GuardPlugin, Unit
from .memory import Memory
from .targets import TargetRules

Accepted = Literal["tools", "images", "audio", "video", "files", "other"]
"""What a client may send beside text: tools with their calls and results, and parts of messages."""
EVERYTHING: frozenset[Accepted] = frozenset({"tools", "images", "audio", "video", "files", "other"})

ACCEPTED = (
    "all that clients may send beside text; when it is not written, everything, but with an enforced input guard only "
    "tools"
)


class PolicyDocument(BaseModel):
    """The stored policy: guards of each side in order, as `{type, behaviour, options that differ from defaults}`.

    targets: what is demanded of the models that an app may call. accept: what clients may send beside text; None for
    what `compile_policy` says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    input: tuple[dict[str, Any], ...] = ()
    output: tuple[dict[str, Any], ...] = ()
    targets: TargetRules | None = None
    accept: tuple[Accepted, ...] | None = Field(default=None, description=ACCEPTED)


@dataclass(frozen=True, slots=True)
class Policy:
    """Compiled guards of both sides, and for each guard that has one the path of the prompt to reply with.

    Names are unique on each side: the type, and a number for a second one of the same type.
    """

    input: tuple[Guard, ...] = ()
    output: tuple[Guard, ...] = ()
    replies: Mapping[str, str] = field(default_factory=dict)
    accept: frozenset[Accepted] = EVERYTHING

    @property
    def enforced_output(self) -> bool:
        """Whether a guard may change or stop what a model says."""
        return any(guard.mode == "enforce" and guard.action != "flag" for guard in self.output)


def compile_policy(document: Mapping[str, Any]) -> Policy:
    """Make the guards of a stored policy; an empty document has none. Raises Corrupt when one cannot be made.

    What clients may send is everything, but where an input guard is enforced only text and tools: no guard reads
    pictures, sounds or files, so whoever writes the policy has to say that they may pass.
    """
    sides = {side: tuple(_numbered(map(compile_guard, document.get(side, ())))) for side in ("input", "output")}
    guards = [*sides["input"], *sides["output"]]
    replies = {guard.name: guard.reply for guard in guards if guard.reply}
    enforced = any(guard.mode == "enforce" and guard.action != "flag" for guard in sides["input"])
    usual: frozenset[Accepted] = frozenset({"tools"}) if enforced else EVERYTHING
    accept = frozenset(document["accept"]) if document.get("accept") is not None else usual
    return Policy(sides["input"], sides["output"], replies, accept)


def _numbered(guards: Iterable[Guard]) -> Iterator[Guard]:
    """Tell guards of one type apart: a stricter `pii` that only observes beside the one in force is `pii (2)`."""
    seen: dict[str, int] = {}
    for guard in guards:
        count = seen[guard.name] = seen.get(guard.name, 0) + 1
        yield guard if count == 1 else replace(guard, name=f"{guard.name} ({count})")


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
        memory=Memory() if trusted else None,
    )
