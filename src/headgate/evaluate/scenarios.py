"""Scenarios: as people write them, as they are stored in a suite's document, and as the scorers that judge them.

Called by the suite kind, by the runner and by the gate. Nothing here asks a model anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import InvalidInput, plugins
from headgate.measure import Scorer, build

Severity = Literal["normal", "critical"]


class Message(BaseModel):
    """One turn, as it is sent: role and text."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Literal["system", "user", "assistant"]
    content: str


class Expectation(BaseModel):
    """One assertion: its name (`not-` inverts), the value written beside it, and its scorer's behaviour."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    value: Any = None
    behaviour: int


class Scenario(BaseModel):
    """One test case as stored. `recorded` is what an incident froze: for people to read, never executed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    messages: tuple[Message, ...]
    tags: tuple[str, ...] = ()
    severity: Severity = "normal"
    expect: tuple[Expectation, ...]
    recorded: dict[str, Any] | None = None


class Suite(BaseModel):
    """The document of a suite; the order of its scenarios is the order in which people read results."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    scenarios: tuple[Scenario, ...]

    def tagged(self, tags: Sequence[str]) -> tuple[Scenario, ...]:
        """Return the scenarios that carry every one of `tags`; all of them when none are asked for."""
        return tuple(item for item in self.scenarios if set(tags) <= set(item.tags))


class ScenarioText(BaseModel):
    """One scenario as people write it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    input: str | None = Field(default=None, min_length=1)
    conversation: tuple[dict[str, str], ...] | None = None
    tags: tuple[str, ...] = ()
    severity: Severity = "normal"
    expect: tuple[str | dict[str, Any], ...] = ()
    recorded: dict[str, Any] | None = None


def conversation_of(turns: Sequence[Mapping[str, str]]) -> tuple[Message, ...]:
    """Read turns written `{user: text}` or `{role: user, content: text}`. Raises ValueError in people's words."""
    messages = []
    for number, turn in enumerate(turns, start=1):
        pair = (
            (turn["role"], turn["content"]) if set(turn) == {"role", "content"} else next(iter(turn.items()), ("", ""))
        )
        if (len(turn) != 1 and set(turn) != {"role", "content"}) or pair[0] not in ("system", "user", "assistant"):
            raise ValueError(f"turn {number} of the conversation is written `user: text` or `assistant: text`")
        messages.append(Message(role=pair[0], content=pair[1]))
    if not messages or messages[-1].role != "user":
        raise ValueError("a conversation ends with what the user says; the app's answer to it is judged")
    return tuple(messages)


def expectation_of(item: str | Mapping[str, Any]) -> Expectation:
    """Read one assertion, `name` or `{name: value}`. Raises InvalidInput naming the nearest when there is none such."""
    if isinstance(item, str):
        name, value = item, None
    elif len(item) == 1:
        name, value = next(iter(item.items()))
    else:
        raise InvalidInput(
            f"an assertion is one name with its value, found {len(item)} keys", "start each one with its own `-`"
        )
    build(name, value)
    return Expectation(name=name, value=value, behaviour=behaviour_of(name))


def behaviour_of(name: str) -> int:
    """Return the behaviour of the scorer behind an assertion; evidence pins it."""
    return int(plugins.load("scorers", name.removeprefix("not-")).behaviour)


def scorers_of(scenario: Scenario) -> tuple[tuple[str, Scorer], ...]:
    """Build the scorers that judge a scenario, each under the name that people gave it."""
    return tuple((item.name, build(item.name, item.value)) for item in scenario.expect)
