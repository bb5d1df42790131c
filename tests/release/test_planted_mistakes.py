"""Planted mistakes in project files: each gives exactly one message with file and line, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select

from headgate.kernel import InvalidInput
from headgate.release import EnvironmentApply, Eval, ReleaseCreate, apply, create, evaluate
from headgate.store import tables


@dataclass(frozen=True)
class Mistake:
    """In `file`, `old` becomes `new`; the message must name `place` (file:line), `key`, and suggest `hint`."""

    name: str
    file: str
    old: str
    new: str
    place: str
    key: str | None = None
    hint: str = ""
    by: str = "create"


MISTAKES = [
    Mistake("unknown top key", "headgate.yaml", "gates:", "gate:", "headgate.yaml:9", "gate", "gates"),
    Mistake("no version", "headgate.yaml", "headgate: 1\n", "", "headgate.yaml:1", "headgate"),
    Mistake("a version of tomorrow", "headgate.yaml", "headgate: 1", "headgate: 2", "headgate.yaml:1", "headgate"),
    Mistake("provider type", "headgate.yaml", "scripted", "scriptde", "headgate.yaml:4", "providers.bot.type",
            "scripted"),
    Mistake("provider option", "headgate.yaml", "script:", "scirpt:", "headgate.yaml:4", "providers.bot.scirpt",
            "script"),
    Mistake("environment's gate", "headgate.yaml", "{gate: release,", "{gate: relase,", "headgate.yaml:8",
            "environments.prod.gate", "release"),
    Mistake("environment's key", "headgate.yaml", "approvals:", "aprovals:", "headgate.yaml:8",
            "environments.prod.aprovals", "approvals"),
    Mistake("approvals without a gate", "headgate.yaml", "dev: {}", "dev: {approvals: 1}", "headgate.yaml:6",
            "environments.dev.approvals", "evidence"),
    Mistake("a negative number of approvals", "headgate.yaml", "approvals: 1", "approvals: -1", "headgate.yaml:8",
            "environments.prod.approvals"),
    Mistake("monitor's threshold", "headgate.yaml", "approvals: 1}",
            "approvals: 1, watch: [{latency: {at_most: fast}}]}", "headgate.yaml:8", "environments.prod.watch[0]",
            "a duration such as 2s"),
    Mistake("unknown monitor", "headgate.yaml", "approvals: 1}", "approvals: 1, watch: [eror_rate]}", "headgate.yaml:8",
            "environments.prod.watch[0]", "error_rate"),
    Mistake("rule's suite", "headgate.yaml", "{suite: suites/redteam", "{suite: suites/redtaem", "headgate.yaml:15",
            "gates.release[2].suite", "suites/redteam"),
    Mistake("rule's metric", "headgate.yaml", "metric: latency_p95", "metric: latency_p59", "headgate.yaml:17",
            "gates.release[4].metric", "latency_p95"),
    Mistake("rule's key", "headgate.yaml", "pass_rate, at_least: 0.9", "pass_rate, at_leats: 0.9", "headgate.yaml:13",
            "gates.release[0].at_leats", "at_least"),
    Mistake("a share of 90", "headgate.yaml", "at_least: 0.9", "at_least: 90", "headgate.yaml:13",
            "gates.release[0].at_least"),
    Mistake("a bar that no sample can show", "headgate.yaml", "pass_rate, at_least: 0.9", "pass_rate, at_least: 1.0",
            "headgate.yaml:13", "gates.release[0]", "failures: 0"),
    Mistake("a bar on the wrong side", "headgate.yaml", "pass_rate, at_least: 0.9", "pass_rate, at_most: 0.9",
            "headgate.yaml:13", "gates.release[0]"),
    Mistake("an amount that is none", "headgate.yaml", "$0.01", "cheap", "headgate.yaml:16",
            "gates.release[3].at_most"),
    Mistake("a duration that is none", "headgate.yaml", "20s", "20 lightyears", "headgate.yaml:17",
            "gates.release[4].at_most"),
    Mistake("no worse than nowhere", "headgate.yaml", "no_worse_than: prod", "no_worse_than: prd", "headgate.yaml:18",
            "gates.release[5].no_worse_than", "prod"),
    Mistake("a rule that judges nothing", "headgate.yaml",
            "{suite: suites/golden, tags: [critical], failures: 0}\n  release",
            "{suite: suites/golden, tags: [critical]}\n  release", "headgate.yaml:11", "gates.light[0]", "failures"),
    Mistake("a gate without rules", "headgate.yaml",
            "  light:\n    - {suite: suites/golden, tags: [critical], failures: 0}",
            "  light: []", "headgate.yaml:10", "gates.light"),
    Mistake("a variable outside providers", "headgate.yaml", "project: acme-support", "project: '${env:NAME}'",
            "headgate.yaml:2", "project"),
    Mistake("a variable in what changes answers", "headgate.yaml", "type: scripted,",
            "type: scripted, revision: '${env:REV}',", "headgate.yaml:4", "providers.bot"),
    Mistake("a variable as a shell writes it", "headgate.yaml", "type: scripted,",
            "type: scripted, revision: '${REV}',", "headgate.yaml:4", "providers.bot.revision", "write ${env:REV}"),
    Mistake("a variable as shells also write it", "headgate.yaml", "type: scripted,",
            "type: scripted, revision: $REV,", "headgate.yaml:4", "providers.bot.revision", "write ${env:REV}"),
    Mistake("a variable as another gateway writes it", "headgate.yaml", "type: scripted,",
            "type: scripted, revision: os.environ/REV,", "headgate.yaml:4", "providers.bot.revision", "${env:REV}"),
    Mistake("a key written twice", "headgate.yaml", "  dev: {}\n", "  dev: {}\n  dev: {}\n", "headgate.yaml:7",
            "environments.dev"),
    Mistake("not YAML", "headgate.yaml", "dev: {}", "dev: {", "headgate.yaml:8"),
    Mistake("no such prompt", "apps/support.yaml", "prompts/answer", "prompts/anser", "apps/support.yaml:4",
            "route.to.default.prompt", "prompts/answer"),
    Mistake("no such contract", "apps/support.yaml", "contracts/support", "contracts/suport", "apps/support.yaml:1",
            "contract", "contracts/support"),
    Mistake("no such folder", "apps/support.yaml", "policies/support", "policy/support", "apps/support.yaml:8",
            "policy", "policies/support"),
    Mistake("a path with its extension", "apps/support.yaml", "contracts/support", "contracts/support.yaml",
            "apps/support.yaml:1", "contract", "contracts/support"),
    Mistake("a path that leaves the project", "apps/support.yaml", "policies/support", "../policies/support",
            "apps/support.yaml:8", "policy", "root"),
    Mistake("unknown guard", "policies/support.yaml", "secrets", "secrest", "policies/support.yaml:2",
            "output[0].secrest", "secrets"),
    Mistake("guard's option", "policies/support.yaml", "action:", "acton:", "policies/support.yaml:2",
            "output[0].secrets.acton", "action"),
    Mistake("no such provider", "apps/support.yaml", "bot/one", "bto/one", "apps/support.yaml:6", "llms.main[0]",
            "bot"),
    Mistake("no such chain", "apps/support.yaml", "llm: main", "llm: mian", "apps/support.yaml:4",
            "route.to.default.llm", "main"),
    Mistake("app's key", "apps/support.yaml", "llms:", "lms:", "apps/support.yaml:5", "lms", "llms"),
    Mistake("prompt's variable", "prompts/answer.md", "{{ question }}", "{{ qestion }}", "prompts/answer.md:7", None,
            "question"),
    Mistake("contract's key", "contracts/support.yaml", "latency:", "latancy:", "contracts/support.yaml:1", "latancy",
            "latency"),
    Mistake("unknown assertion", "suites/golden.yaml", "- {contains: 30 days}\n- id: c04",
            "- {contians: 30 days}\n- id: c04",
            "suites/golden.yaml:19", "[3].expect[0].contians", "contains", "eval"),
    Mistake("scenario id twice", "suites/golden.yaml", "- id: c04", "- id: c03", "suites/golden.yaml:20", "[4].id",
            "unique", "eval"),
    Mistake("input and conversation", "suites/golden.yaml", "  input: question c03\n",
            "  input: question c03\n  conversation: [{user: hi}]\n", "suites/golden.yaml:18", "[3].conversation", "one",
            "eval"),
    Mistake("nothing expected", "suites/golden.yaml", "c03\n  expect:\n    - {contains: 30 days}", "c03\n  expect: []",
            "suites/golden.yaml:18", "[3].expect", "assertion", "eval"),
    Mistake("scenario's key", "suites/golden.yaml", "  input: question c03", "  inpt: question c03",
            "suites/golden.yaml:17", "[3].inpt", "input", "eval"),
    Mistake("severity", "suites/golden.yaml", "c00\n  severity: critical", "c00\n  severity: crtical",
            "suites/golden.yaml:3", "[0].severity", "critical", "eval"),
    Mistake("no such suite to apply", "headgate.yaml", "{suite: suites/redteam", "{suite: suites/red",
            "headgate.yaml:15",
            "gates.release[2].suite", "suites/redteam", "apply"),
    Mistake("facts' key", "headgate.yaml", "{type: scripted,", "{type: scripted, facts: {regoin: eu},",
            "headgate.yaml:4", "providers.bot.facts.regoin", "region"),
    Mistake("a fact beside the facts", "headgate.yaml", "{type: scripted,", "{type: scripted, region: eu,",
            "headgate.yaml:4", "providers.bot.region", "facts: {region"),
    Mistake("a region that is none", "headgate.yaml", "{type: scripted,", "{type: scripted, facts: {region: The EU},",
            "headgate.yaml:4", "providers.bot.facts.region"),
    Mistake("a retention that is none", "headgate.yaml", "{type: scripted,",
            "{type: scripted, facts: {retention: short},", "headgate.yaml:4", "providers.bot.facts.retention"),
    Mistake("a feature that is none", "headgate.yaml", "{type: scripted,",
            "{type: scripted, facts: {supports: [tool]},", "headgate.yaml:4", "providers.bot.facts.supports[0]",
            "tools"),
    Mistake("a fact from the environment", "headgate.yaml", "{type: scripted,",
            "{type: scripted, facts: {region: '${env:REGION}'},", "headgate.yaml:4", "providers.bot.facts.region"),
    Mistake("facts that are a list", "headgate.yaml", "{type: scripted,", "{type: scripted, facts: [eu],",
            "headgate.yaml:4", "providers.bot.facts"),
    Mistake("a demand's key", "policies/support.yaml", "output:", "targets: {regions: [eu]}\noutput:",
            "policies/support.yaml:1", "targets.regions", "region"),
    Mistake("an exception without its reason", "policies/support.yaml", "output:",
            "targets: {except: {bot/one: {region: ' '}}}\noutput:", "policies/support.yaml:1",
            "targets.except.bot/one.region"),
    Mistake("an exception of no fact", "policies/support.yaml", "output:",
            "targets: {except: {bot/one: {regoin: why}}}\noutput:", "policies/support.yaml:1",
            "targets.except.bot/one.regoin", "region"),
    Mistake("an exception for no target", "policies/support.yaml", "output:",
            "targets: {except: {bot: {region: why}}}\noutput:", "policies/support.yaml:1", "targets.except.bot"),
    Mistake("what is asked is not what the policy demands", "policies/support.yaml", "output:",
            "targets: {trains: false}\noutput:", "apps/support.yaml:6", "llms.main[0]", "providers.bot"),
    Mistake("no such prices", "apps/support.yaml", "fallback:", "prices: prices/lists\nfallback:",
            "apps/support.yaml:7", "prices"),
]  # fmt: skip


def written(world: Any) -> int:
    with world.store.records.read() as tx:
        counted = (tables.artifact, tables.release, tables.environment, tables.evidence)
        return sum(tx.one(select(func.count().label("n")).select_from(table))["n"] for table in counted)


def test_there_are_enough_of_them() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 25


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_told_once_with_its_place(world: Any, mistake: Mistake) -> None:
    text = (world.root / mistake.file).read_text()
    assert mistake.old in text
    world.write(mistake.file, text.replace(mistake.old, mistake.new, 1))
    runs: dict[str, Callable[[], object]] = {
        "create": lambda: create(world, ReleaseCreate()),
        "eval": lambda: evaluate(world, Eval()),
        "apply": lambda: apply(world, EnvironmentApply()),
    }
    with pytest.raises(InvalidInput) as caught:
        runs[mistake.by]()
    problem = caught.value
    assert problem.exit_code == 2
    assert problem.where is not None, problem
    assert f"{problem.where.file}:{problem.where.line}" == mistake.place, problem
    assert problem.where.key == mistake.key, problem
    assert mistake.hint in f"{problem.message} {problem.hint}", problem
    assert written(world) == 0


def test_both_lines_of_a_scenario_id_are_named(world: Any) -> None:
    world.edit("suites/golden.yaml", "- id: c04", "- id: c03")
    with pytest.raises(InvalidInput, match="line 16"):
        evaluate(world, Eval())
