"""The local operation `check`: every file parsed, and a word about what is legal and probably not meant.

Called by people before a pull request, and by CI. It needs no server, no trained model and no network; it writes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from headgate.evaluate import Suite
from headgate.guard import compile_policy
from headgate.kernel import Draft, Where, Workspace, nearest, read_yaml, units
from headgate.measure import needed_cases
from headgate.serve import incapable
from headgate.serve import warnings as app_warnings

from .build import Build, apps, build, one_app
from .exam import parse_suites
from .project import Project, check_references, read_project
from .rules import ExactRule, ModelRule, PairedRule, RateRule, Rule, of, percent

_FOLDERS = {
    "prompts": "md",
    "policies": "yaml",
    "contracts": "yaml",
    "prices": "yaml",
    "retrieval": "yaml",
    "models": "py",
}
"""Folders whose files nothing runs unless an app names them, and how those files end."""


class Check(BaseModel):
    """Nothing to choose: the whole project is checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckResult(BaseModel):
    """What was checked, and what is worth a second look. A mistake is an error, so a result means there is none."""

    model_config = ConfigDict(frozen=True)
    project: str
    apps: list[str]
    lines: list[str]
    warnings: list[str]


def check(workspace: Workspace, request: Check) -> CheckResult:
    """Parse every file of the project.

    Raises InvalidInput for the first mistake, with file, line, key and the nearest name.
    """
    root = workspace.root
    project = read_project(root)
    check_references(root, project)
    names = apps(root) or [one_app(root, None)]
    warnings: list[str] = []
    builds = [build(root, name, allow_stale=True, unlocked=warnings) for name in names]
    drafts = parse_suites(root) if any((root / "suites").glob("*.yaml")) else []
    suites = {draft.path: Suite.model_validate(draft.document) for draft in drafts}
    if not suites:
        warnings.append(f"{Where('suites')}: there are none, so nothing tests a release; write suites/<name>.yaml")
    for built in builds:
        warnings += app_warnings(root, f"apps/{built.app}")
        warnings += stream_warnings(built)
        warnings += target_warnings(root, built)
    warnings += list(size_warnings(project, suites))
    warnings += exception_warnings(root, builds)
    warnings += price_warnings(root, builds)
    warnings += unused(root, builds)
    return CheckResult(
        project=project.name,
        apps=names,
        lines=[*(_app_line(built) for built in builds), *_suite_lines(suites), *_gate_lines(project, suites)],
        warnings=warnings,
    )


def size_warnings(project: Project, suites: dict[str, Suite]) -> Iterator[str]:
    """Warn of rate rules that their suite is too small to ever pass, and of exact rules that look at nothing."""
    for gate, rules in project.gates.items():
        for index, rule in enumerate(rules):
            where = project.source.where(("gates", gate, index))
            if isinstance(rule, RateRule | ExactRule | PairedRule) and not _cases(rule, suites):
                yield f"{where}: no scenario of {of(rule.suite, rule.tags)} exists, so this rule can never pass"
            elif isinstance(rule, RateRule) and _cases(rule, suites) < _needed(rule):
                yield (
                    f"{where}: {rule.words()} can pass from {_needed(rule)} scenarios on, all of them right; "
                    f"{of(rule.suite, rule.tags)} has {_cases(rule, suites)}"
                )


def stream_warnings(built: Build) -> list[str]:
    """Warn of a promised first token that a guard which waits for the whole answer cannot keep (decision 18)."""
    promised = _first_token(built.draft("contract"))
    if promised is None:
        return []
    said = []
    for draft in built.draft("policy"):
        for guard in compile_policy(draft.document).output:
            if guard.unit == "answer":
                said.append(
                    f"{Where(f'{draft.path}.yaml')}: the guard {guard.name!r} holds back the whole answer, so "
                    f"the first token comes with the last; the contract promises it in {promised}"
                )
    return said


def target_warnings(root: Path, built: Build) -> Iterator[str]:
    """Warn of targets that cannot do what the contract, or the target before them, makes requests ask."""
    app, targets = built.draft("app")[0], built.manifest.providers
    source = read_yaml(root, f"{app.path}.yaml")
    for doubt in incapable(app.document, _only(built, "contract"), targets):
        yield f"{source.where(doubt.key)}: {doubt.message} ({doubt.hint})"


def exception_warnings(root: Path, builds: Sequence[Build]) -> Iterator[str]:
    """Warn of exceptions of a policy for targets that none of its apps calls."""
    policies = {draft.path: draft.document for built in builds for draft in built.draft("policy")}
    for path, document in policies.items():
        called = {target for built in builds if path in built.manifest.pins for target in built.manifest.providers}
        for target in document.get("targets", {}).get("except", {}):
            if target not in called:
                where = read_yaml(root, f"{path}.yaml").where(("targets", "except", target))
                yield f"{where}: no app of this policy calls {target}; {nearest(target, called)}"


def price_warnings(root: Path, builds: Sequence[Build]) -> Iterator[str]:
    """Warn of prices of models that no app calls: most often a name with a slip in it."""
    called = {target for built in builds for target in built.manifest.providers}
    lists = {draft.path: draft.document for built in builds for draft in built.draft("prices")}
    for path, document in lists.items():
        source = read_yaml(root, f"{path}.yaml")
        for target in document["prices"]:
            if target not in called:
                where = source.where(("prices", target))
                yield f"{where}: no app calls {target}; {nearest(target, called)}"


def unused(root: Path, builds: Sequence[Build]) -> list[str]:
    """Name files that no app reaches."""
    used = {path for built in builds for path in built.manifest.pins}
    said = []
    for folder, ending in _FOLDERS.items():
        for file in sorted((root / folder).glob(f"*.{ending}")):
            if f"{folder}/{file.stem}" not in used and not file.stem.startswith("_"):
                said.append(f"{folder}/{file.name}: no app uses this file")
    return said


def _only(built: Build, kind: str) -> dict[str, Any]:
    return next((dict(draft.document) for draft in built.draft(kind)), {})


def _first_token(contracts: Sequence[Draft]) -> str | None:
    for draft in contracts:
        latency: dict[str, Any] = draft.about.get("targets", {}).get("latency", {})
        promised = latency.get("first_token")
        if promised:
            return promised if isinstance(promised, str) else units.duration(promised)
    return None


def _app_line(built: Build) -> str:
    kinds: dict[str, int] = {}
    for pin in built.manifest.pins.values():
        kinds[pin.kind] = kinds.get(pin.kind, 0) + 1
    parts = ", ".join(
        f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(kinds.items()) if kind != "app"
    )
    return f"app {built.app}: {parts}; may call {', '.join(sorted(built.manifest.providers)) or 'no model'}"


def _suite_lines(suites: dict[str, Suite]) -> list[str]:
    return [
        f"{path}: {len(suite.scenarios)} scenarios, {len(suite.tagged(['critical']))} critical"
        for path, suite in suites.items()
    ]


def _gate_lines(project: Project, suites: dict[str, Suite]) -> list[str]:
    lines = []
    for gate, rules in project.gates.items():
        lines += [f"gate {gate}: {rule.words()}{_size(rule, suites)}" for rule in rules]
    for name, entry in project.environments.items():
        asks = f"gate {entry.gate}, {entry.approvals} approvals" if entry.gate else "no gate"
        lines.append(f"environment {name}: {asks}")
    return lines


def _size(rule: Rule, suites: dict[str, Suite]) -> str:
    if isinstance(rule, RateRule):
        bar = percent(rule.at_least if rule.at_least is not None else rule.at_most or 0)
        return f" ({bar} needs {_needed(rule)} scenarios, there are {_cases(rule, suites)})"
    if isinstance(rule, ModelRule):
        return ""
    return f" ({_cases(rule, suites)} scenarios)" if isinstance(rule, ExactRule | PairedRule) else ""


def _cases(rule: RateRule | ExactRule | PairedRule, suites: dict[str, Suite]) -> int:
    return len(suites[rule.suite].tagged(rule.tags))


def _needed(rule: RateRule) -> int:
    if rule.metric == "pass_rate":
        return needed_cases(at_least=rule.at_least)
    return needed_cases(at_most=rule.at_most)
