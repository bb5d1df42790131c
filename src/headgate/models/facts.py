"""What an entry of `providers:` declares of its models (where they run, what is kept), and what is as strict as what.

Called by `registry` (identities), the policy kind (demands) and `release` (chains). People declare facts, nothing here
measures them; it does no I/O.

facts: {region: eu, retention: none, trains: false, filter: true, supports: [tools, json_schema]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from headgate.kernel import InvalidInput, plugins, units

FactName = Literal["region", "retention", "trains", "filter"]
STRICT: tuple[FactName, ...] = ("region", "retention", "trains", "filter")
"""The facts of which one can be stricter than another."""
Feature = Literal["tools", "json_schema", "images", "audio", "files"]
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _regions(value: Any) -> Any:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not listed:
        raise ValueError(f"expected a region such as eu or eu-central-1, or a list of them, not {value!r}")
    for item in listed:
        if not isinstance(item, str) or not _REGION.fullmatch(item):
            raise ValueError(f"expected a region such as eu or eu-central-1, in small letters, not {item!r}")
    return sorted(set(listed))


def _kept(value: Any) -> Any:
    if value == "none":
        return value
    if isinstance(value, int | float) and value:
        raise ValueError(f"expected none, or a duration with its unit such as {value}d, not {value!r}")
    try:
        micros = units.parse_duration(value)
    except ValueError:
        raise ValueError(f"expected none, or a duration such as 30d, not {value!r}") from None
    return units.duration(micros) if micros else "none"


def _target(value: str) -> str:
    provider, slash, model = value.partition("/")
    if not (provider and slash and model):
        raise ValueError(f"{value!r} names no model; write provider/model, as in openai/gpt-5-mini")
    return value


TargetName = Annotated[str, AfterValidator(_target)]
"""A model of a provider, as a key of a file."""
Regions = Annotated[tuple[str, ...], BeforeValidator(_regions, json_schema_input_type=str | tuple[str, ...])]
Retention = Annotated[str, BeforeValidator(_kept, json_schema_input_type=str | float)]


class Strictness(BaseModel):
    """What can be stricter or less strict: of a target what is so, of a policy what must be. Left out: nothing said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: Regions = Field(default=(), description="where models run: `eu`, `eu-central-1`, or a list; anywhere in it")
    retention: Retention | None = Field(
        default=None, description="how long what they are sent is kept: `none`, or `30d`"
    )
    trains: bool | None = Field(default=None, description="whether models are trained on what they are sent")
    filter: bool | None = Field(default=None, description="whether the provider's own content filter is on")

    def says(self, name: FactName) -> bool:
        return getattr(self, name) not in (None, ())


class Facts(Strictness):
    """The facts of a provider's models, part of their identity. supports: what they can do, all of it when written."""

    supports: tuple[Feature, ...] | None = Field(
        default=None, description="`tools`, `json_schema`, `images`, `audio`, `files`: all that they can do"
    )


def facts_of(identity: Mapping[str, Any]) -> Facts:
    """Return the facts that a target's identity pins. Raises InvalidInput when they are none."""
    try:
        return Facts.model_validate(identity.get("facts", {}))
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"facts.{where} of a target: {str(first['msg']).removeprefix('Value error, ')}") from None


def stays_inside(identity: Mapping[str, Any]) -> bool:
    """Whether a target answers inside this process, so that nothing of a request goes anywhere."""
    kind = str(identity.get("type", ""))
    return kind in plugins.names("providers") and getattr(plugins.load("providers", kind), "inside", False)


def weaker(name: FactName, found: Strictness, standard: Strictness) -> bool:
    """Whether `found` is less strict than `standard` in one fact; what is not said is less strict than what is.

    A region lies in another when it begins with it: `eu-west-1` in `eu`.
    """
    if not standard.says(name):
        return False
    if name == "region":
        return not found.region or not all(any(_lies(one, other) for other in standard.region) for one in found.region)
    if name == "retention":
        return found.retention is None or _micros(found.retention) > _micros(standard.retention)
    strict = name == "filter"
    return getattr(standard, name) is strict and getattr(found, name) is not strict


def told(name: FactName, facts: Strictness) -> str:
    """Say one fact in words that follow the name of a target."""
    if name == "region":
        return f"runs in {' or '.join(facts.region)}" if facts.region else "does not say where it runs"
    if name == "retention":
        kept = facts.retention
        if kept is None:
            return "does not say how long it keeps what it is sent"
        return "keeps nothing of what it is sent" if kept == "none" else f"keeps what it is sent for {kept}"
    if name == "trains":
        if facts.trains is None:
            return "does not say whether it trains on what it is sent"
        return f"{'trains' if facts.trains else 'does not train'} on what it is sent"
    if facts.filter is None:
        return "does not say whether its content filter is on"
    return f"has its content filter {'on' if facts.filter else 'off'}"


def _lies(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}-")


def _micros(kept: str | None) -> int:
    return 0 if kept in (None, "none") else units.parse_duration(kept)
