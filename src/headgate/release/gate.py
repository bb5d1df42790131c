"""The gate: the rules applied to an environment, over the newest evidence of a release. Operation `release.gate`.

Called by people, by approval and again inside promotion's own transaction. The rules come from the environment's row
(decision 14), never from the files of whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.evaluate import Evidence, find_release, pair_up
from headgate.kernel import Conflict, short
from headgate.store import Context

from .environments import Environment, environment_or_none, find_environment
from .judging import Baseline, Exam, Outcome, RuleResult, judge, missing, worst
from .rules import PairedRule, Rule
from .shelf import Shelf, shelf_of


class Gate(BaseModel):
    """Which release, for which environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    release: str = Field(description="the candidate: digest, its beginning, or an environment")
    environment: str = Field(description="where it would go")


class GateResult(BaseModel):
    """What the gate says, rule by rule, and the four things that an approval binds.

    `baseline` is the release that the environment serves today, empty when it serves none.
    """

    model_config = ConfigDict(frozen=True)
    outcome: Outcome
    release: str
    app: str
    environment: str
    generation: int
    rules: list[RuleResult]
    evidence: str = ""
    evidence_digest: str = ""
    rules_digest: str
    baseline: str
    notes: list[str] = []

    @property
    def decidable(self) -> bool:
        """Whether people may decide a review: not while a rule had nothing to look at."""
        return self.outcome != "fail" and bool(self.evidence_digest) and not any(rule.missing for rule in self.rules)


def gate(ctx: Context, request: Gate) -> GateResult:
    """Judge a release by the rules of an environment. Raises NotFound for an unknown release or environment."""
    release = find_release(ctx.tx, ctx.project, request.release)
    environment = find_environment(ctx.tx, ctx.project, release["app"], request.environment)
    return look(ctx, release, environment)


def look(ctx: Context, release: Mapping[str, Any], environment: Environment) -> GateResult:
    """Judge inside a transaction, as things are now."""
    return judge_with(shelf_of(ctx), release, environment, ctx.now)


def judge_with(shelf: Shelf, release: Mapping[str, Any], environment: Environment, now: float) -> GateResult:
    """Judge from a shelf: whoever judges many shares what they read. Raises Conflict where no rules were applied."""
    if environment.rules is None:
        name = environment.name
        raise Conflict(f"no rules were applied to {name} yet", f"run `headgate environment apply {name}`")
    rules = environment.rules.compiled()
    since = now - environment.rules.max_age / 1e6
    wanted = {path for rule in rules if (path := _suite_of(rule))}
    evidence, lack = _evidence(shelf, release["digest"], wanted, since) if rules else (None, "")
    notes: list[str] = []
    if evidence is None:
        hint = f"run `headgate eval {short(release['digest'])}`"
        results = [missing(rule, lack, hint) for rule in rules]
    else:
        key = ("judged", evidence.id, environment.app, rules, since)
        exam, results = shelf.once(key, lambda: _judged(shelf, evidence, rules, (environment.app, wanted, since)))
        notes = _smaller_exam(shelf, environment, exam)
    return GateResult(
        outcome=worst([result.outcome for result in results]),
        release=release["digest"],
        app=environment.app,
        environment=environment.name,
        generation=environment.generation,
        rules=results,
        evidence=evidence.id if evidence else "",
        evidence_digest=(evidence.digest or "") if evidence else "",
        rules_digest=environment.rules_digest,
        baseline=environment.stable or "",
        notes=notes,
    )


def _evidence(shelf: Shelf, release: str, wanted: set[str], since: float) -> tuple[Evidence | None, str]:
    """Return the newest evidence that holds every suite the rules name, or None and what is lacking."""
    found = shelf.evidence(release)
    if not found:
        return None, "there is no evidence for this release"
    fresh = [evidence for evidence in found if (evidence.finished_at or 0) >= since]
    if not fresh:
        return None, "its evidence has expired"
    for evidence in fresh:
        if wanted <= set(evidence.pins["suites"]):
            return evidence, ""
    lack = ", ".join(sorted(wanted - set(fresh[0].pins["suites"])))
    return None, f"its evidence does not cover {lack}"


def _judged(
    shelf: Shelf, evidence: Evidence, rules: Sequence[Rule], scope: tuple[str, set[str], float]
) -> tuple[Exam, list[RuleResult]]:
    exam = _exam(shelf, evidence, rules, scope)
    return exam, [judge(rule, exam) for rule in rules]


def _exam(shelf: Shelf, evidence: Evidence, rules: Sequence[Rule], scope: tuple[str, set[str], float]) -> Exam:
    app, wanted, since = scope
    suites = {path: shelf.suite(evidence.pins["suites"][path]) for path in wanted}
    baselines = {}
    for rule in rules:
        if isinstance(rule, PairedRule):
            other = environment_or_none(shelf.tx, shelf.project, app, rule.no_worse_than)
            if other is not None and other.stable:
                baselines[rule.no_worse_than, rule.suite] = _baseline(shelf, other.stable, (evidence, rule, since))
    return Exam(evidence.release, evidence, shelf.cases(evidence.id), suites, baselines)


def _baseline(shelf: Shelf, stable: str, against: tuple[Evidence, PairedRule, float]) -> Baseline:
    """Pair the candidate with the newest evidence of `stable` on the very same version of the suite."""
    candidate, rule, since = against
    for evidence in shelf.evidence(stable):
        same = evidence.pins["suites"].get(rule.suite) == candidate.pins["suites"][rule.suite]
        if same and (evidence.finished_at or 0) >= since:
            return Baseline(stable, pair_up(shelf.cases(evidence.id), shelf.cases(candidate.id), rule.suite))
    return Baseline(stable, None)


def _suite_of(rule: Rule) -> str | None:
    found: str | None = getattr(rule, "suite", None)
    return found


def _smaller_exam(shelf: Shelf, environment: Environment, exam: Exam) -> list[str]:
    """Note scenarios that judged what is served today and are gone or changed in this exam: people should know."""
    if not environment.stable or environment.stable == exam.release:
        return []
    notes = []
    for path, suite in sorted(exam.suites.items()):
        last = next((e for e in shelf.evidence(environment.stable) if path in e.pins["suites"]), None)
        if last is None or last.pins["suites"][path] == exam.evidence.pins["suites"][path]:
            continue
        now = {scenario.id: scenario for scenario in suite.scenarios}
        before = shelf.suite(last.pins["suites"][path]).scenarios
        changed = [scenario.id for scenario in before if now.get(scenario.id) != scenario]
        if changed:
            names = ", ".join(changed[:5]) + (" …" if len(changed) > 5 else "")
            notes.append(
                f"{path}: {len(changed)} scenarios that judged today's release were removed or changed: {names}"
            )
    return notes
