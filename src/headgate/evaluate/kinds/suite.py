"""The suite kind: a list of scenarios in `suites/<name>.yaml`, parsed into the document that evidence pins.

Called by the loader of kinds for `eval`, `release create` and `check`. It parses and never runs anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgate.evaluate.scenarios import (
    Expectation,
    Message,
    Scenario,
    ScenarioText,
    Suite,
    conversation_of,
    expectation_of,
)
from headgate.kernel import Draft, InvalidInput, Kind, Source, document_of, read_yaml, validate


def parse(root: Path, path: str) -> Draft:
    """Read `<path>.yaml` into a suite draft.

    Raises NotFound, or InvalidInput with file, line and key: a scenario id written twice (naming both lines), an
    unknown assertion (naming the nearest), both or neither of `input` and `conversation`, an empty `expect`.
    """
    source = read_yaml(root, f"{path}.yaml")
    if not isinstance(source.data, list) or not source.data:
        raise InvalidInput(
            "a suite is a list of scenarios", "begin each with `- id: some-name`", where=source.where(())
        )
    first_seen: dict[str, int | None] = {}
    scenarios = []
    for index, item in enumerate(source.data):
        scenario = _scenario(source, item, index)
        where = source.where((index, "id"))
        if scenario.id in first_seen:
            raise InvalidInput(
                f"the scenario id {scenario.id!r} is already used in line {first_seen[scenario.id]}",
                "ids are unique in a suite",
                where=where,
            )
        first_seen[scenario.id] = where.line
        scenarios.append(scenario)
    document = document_of(Suite(scenarios=tuple(scenarios)))
    return Draft("suite", 1, path, document)


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Tell which scenarios two versions of a suite do not share."""
    before = {item["id"]: item for item in old["scenarios"]}
    after = {item["id"]: item for item in new["scenarios"]}
    told = [f"scenario {name} is new" for name in after if name not in before]
    told += [f"scenario {name} was removed" for name in before if name not in after]
    changed = [name for name in after if name in before and before[name] != after[name]]
    told += [f"scenario {name} asks or expects something else" for name in changed]
    return told


def _scenario(source: Source, item: Any, index: int) -> Scenario:
    text = validate(ScenarioText, source, {} if item is None else item, (index,))
    if (text.input is None) == (text.conversation is None):
        found = "both `input` and `conversation`" if text.input is not None else "neither `input` nor `conversation`"
        key = "conversation" if text.input is not None else "id"
        raise InvalidInput(
            f"the scenario {text.id!r} has {found}", "give exactly one of them", where=source.where((index, key))
        )
    if not text.expect:
        raise InvalidInput(
            f"the scenario {text.id!r} expects nothing, so it could never fail",
            "give `expect` at least one assertion",
            where=source.where((index, "expect")),
        )
    tags = text.tags if text.severity != "critical" or "critical" in text.tags else (*text.tags, "critical")
    return Scenario(
        id=text.id,
        messages=_messages(source, text, index),
        tags=tags,
        severity=text.severity,
        expect=tuple(_expectation(source, text, index, place) for place in range(len(text.expect))),
        recorded=text.recorded,
    )


def _messages(source: Source, text: ScenarioText, index: int) -> tuple[Message, ...]:
    if text.input is not None:
        return (Message(role="user", content=text.input),)
    try:
        return conversation_of(text.conversation or ())
    except ValueError as problem:
        raise InvalidInput(str(problem), where=source.where((index, "conversation"))) from None


def _expectation(source: Source, text: ScenarioText, index: int, place: int) -> Expectation:
    item = text.expect[place]
    try:
        return expectation_of(item)
    except InvalidInput as problem:
        key = next(iter(item), "") if isinstance(item, Mapping) else ""
        where = source.where((index, "expect", place, key) if key else (index, "expect", place))
        raise InvalidInput(problem.message, problem.hint, where=where) from None


plugin = Kind(name="suite", schema=1, model=Suite, parse=parse, explain=explain)
