"""`headgate.yaml`: the project's name, providers, environments and gates, checked to the last key.

Called by every operation that reads the project's files, and by `platform`, which resolves `${env:NAME}` in the
providers' settings. Here those stay as written: no secret is read, and nothing of an endpoint becomes behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Duration, InvalidInput, Share, Source, Unavailable, nearest, plugins, read_yaml, validate
from headgate.models import Facts
from headgate.observe import compile_watch

from .rules import PairedRule, Rule, parse_rule

FILE = "headgate.yaml"
MAX_AGE_US = 14 * 86_400_000_000
"""How long evidence counts when an environment does not say: 14 days."""
_STRICT = ConfigDict(frozen=True, extra="forbid")
_FOREIGN = re.compile(r"\$\{([A-Za-z_]\w*)\}|^\$([A-Z_][A-Z0-9_]+)$|^os\.environ/(\w+)$|^\{\{ *(?:env\.)?(\w+) *\}\}$")
"""How shells and other tools name a variable of the environment; a provider would be sent these very letters."""
AppName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
ModelName = Annotated[str, Field(pattern=r"^models/[A-Za-z0-9][A-Za-z0-9._/-]{0,100}$")]


class RetrainEntry(BaseModel):
    """When a model that this environment serves is trained again. Nothing set: only by hand.

    drift: when an incident says that its inputs moved. labels: at so many new labels. every: after so long, if there
    are new labels. margin: how much worse the candidate may be overall, at the interval's lower end.
    """

    model_config = _STRICT
    drift: bool = False
    labels: Annotated[int, Field(ge=1)] | None = None
    every: Duration | None = None
    margin: Share = 0.02


class EnvironmentEntry(BaseModel):
    """What one environment asks of a release. Binding only once it is applied to the environment."""

    model_config = _STRICT
    gate: str | None = None
    approvals: Annotated[int, Field(ge=0, le=10)] = 0
    watch: tuple[str | dict[str, Any], ...] = ()
    max_age: Duration = MAX_AGE_US
    retrain: dict[ModelName, RetrainEntry] = {}


class ProjectFile(BaseModel):
    """The file as written; gates are lists of rules, still to be parsed one by one."""

    model_config = _STRICT
    headgate: Literal[1]
    project: Name
    providers: dict[Name, dict[str, Any]] = {}
    environments: dict[Name, EnvironmentEntry] = {}
    gates: dict[str, list[Any]] = {}


@dataclass(frozen=True, slots=True)
class Project:
    """A checked project file. `providers` maps names to settings as written, `type` included."""

    name: str
    providers: Mapping[str, Mapping[str, Any]]
    environments: Mapping[str, EnvironmentEntry]
    gates: Mapping[str, tuple[Rule, ...]]
    source: Source


def read_project(root: Path) -> Project:
    """Read and check `headgate.yaml` under `root`.

    Raises NotFound when there is none, and InvalidInput with file, line, key and the nearest valid name.
    """
    source = read_yaml(root, FILE)
    file = validate(ProjectFile, source)
    _refuse_variables(source)
    for name, settings in file.providers.items():
        _check_provider(source, name, settings)
    gates = {
        name: tuple(parse_rule(source, rule, ("gates", name, index)) for index, rule in enumerate(rules))
        for name, rules in file.gates.items()
    }
    for name, rules in gates.items():
        _check_rules(source, name, rules, file)
    for name, entry in file.environments.items():
        _check_environment(source, name, entry, gates)
    return Project(file.project, file.providers, file.environments, gates, source)


def check_references(root: Path, project: Project) -> None:
    """Check that what rules and triggers name has a file. Raises InvalidInput with the nearest one."""
    for name, entry in project.environments.items():
        for model in entry.retrain:
            if not (root / f"{model}.py").is_file():
                known = [f"models/{file.stem}" for file in (root / "models").glob("*.py")]
                where = project.source.where(("environments", name, "retrain", model))
                raise InvalidInput(f"there is no model {model!r}", nearest(model, known), where=where)
    for name, rules in project.gates.items():
        for index, rule in enumerate(rules):
            for key, ending in (("suite", "yaml"), ("model", "py")):
                path = getattr(rule, key, None)
                if path is None or (root / f"{path}.{ending}").is_file():
                    continue
                folder = root / f"{key}s"
                known = [f"{key}s/{file.stem}" for file in folder.glob(f"*.{ending}")]
                where = project.source.where(("gates", name, index, key))
                raise InvalidInput(f"there is no {key} {path!r}", nearest(path, known), where=where)


def _refuse_variables(source: Source) -> None:
    for path, text in _texts(source.data, ()):
        if "${env:" in text and path[0] != "providers":
            raise InvalidInput(
                "`${env:…}` may only stand in a provider's settings",
                "what a file says must not depend on the machine that reads it",
                where=source.where(path),
            )
        if path[0] == "providers" and (meant := _FOREIGN.search(text)):
            raise InvalidInput(
                f"{meant[0]!r} would be sent as it stands",
                f"write ${{env:{next(filter(None, meant.groups()))}}}",
                where=source.where(path),
            )


def _texts(data: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(data, str):
        yield path, data
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from _texts(value, (*path, key))


def _check_provider(source: Source, name: str, settings: Mapping[str, Any]) -> None:
    at = ("providers", name)
    known = plugins.names("providers")
    if settings.get("facts") is not None:
        validate(Facts, source, settings["facts"], (*at, "facts"))
    kind = settings.get("type")
    if kind is None:
        raise InvalidInput("the key 'type' is missing", nearest("", known), where=source.where(at))
    if kind not in known:
        where = source.where((*at, "type"))
        raise InvalidInput(f"there is no provider type {kind!r}", nearest(str(kind), known), where=where)
    try:
        plugin = plugins.load("providers", str(kind))
    except Unavailable:
        return
    if misplaced := sorted(settings.keys() & Facts.model_fields.keys() - plugin.options.model_fields.keys()):
        hint = f"write facts: {{{misplaced[0]}: …}}"
        raise InvalidInput(f"{misplaced[0]!r} is a fact of a provider", hint, where=source.where((*at, misplaced[0])))
    settled = without_variables(settings)
    options = {key: settings[key] for key in settings if key in settled or key not in plugin.options.model_fields}
    validate(plugin.options, source, {key: value for key, value in options.items() if key not in ("type", "facts")}, at)


def without_variables(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a provider's settings without those whose value comes from the environment."""
    return {key: value for key, value in settings.items() if not any("${env:" in text for _, text in _texts(value, ()))}


def _check_rules(source: Source, gate: str, rules: tuple[Rule, ...], file: ProjectFile) -> None:
    if not rules:
        raise InvalidInput(
            f"the gate {gate!r} has no rules, so everything would pass it", where=source.where(("gates", gate))
        )
    for index, rule in enumerate(rules):
        if isinstance(rule, PairedRule) and rule.no_worse_than not in file.environments:
            where = source.where(("gates", gate, index, "no_worse_than"))
            hint = nearest(rule.no_worse_than, file.environments)
            raise InvalidInput(f"there is no environment {rule.no_worse_than!r}", hint, where=where)


def _check_environment(source: Source, name: str, entry: EnvironmentEntry, gates: Mapping[str, Any]) -> None:
    at = ("environments", name)
    if entry.gate is not None and entry.gate not in gates:
        hint = nearest(entry.gate, gates) or "write it under gates:"
        raise InvalidInput(f"there is no gate {entry.gate!r}", hint, where=source.where((*at, "gate")))
    if entry.approvals and entry.gate is None:
        hint = "an approval binds the evidence that a gate judged"
        raise InvalidInput("approvals need a gate", hint, where=source.where((*at, "approvals")))
    for index, item in enumerate(entry.watch):
        try:
            check_watch(item)
        except InvalidInput as problem:
            raise InvalidInput(problem.message, problem.hint, where=source.where((*at, "watch", index))) from None


def check_watch(item: Any) -> None:
    """Check one thing to watch: `error_rate`, or `{error_rate: {at_most: 2%, over: 30m}}`. Raises InvalidInput."""
    monitors = [monitor.replace("-", "_") for monitor in plugins.names("monitors")]
    name = next(iter(item), "") if isinstance(item, Mapping) else str(item)
    if name.replace("-", "_") not in monitors:
        raise InvalidInput(f"there is no monitor {name!r}", nearest(name, monitors))
    compile_watch([item])
