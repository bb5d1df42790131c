"""One rule against one evidence: pass, fail or review, with the numbers and the scenarios that decided it.

Called by the gate for each rule an environment holds. Pure: everything it looks at is given to it.

A rate is judged by its Wilson interval: it passes when even the lower end does, fails when even the upper end does,
and is a question for people between. What nobody could look at (no evidence, no rows) is never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from headgate.evaluate import CaseRow, Evidence, Pair, Suite, cost_summary, latency_summary
from headgate.kernel import units
from headgate.measure import deciding_cases, needed_cases, paired_difference, wilson

from .rules import CostRule, ExactRule, LatencyRule, ModelRule, PairedRule, RateRule, Rule, Unit, of, percent

Outcome = Literal["pass", "fail", "review"]
_NAMED = 10
_MOST_CASES = 20_000


class RuleResult(BaseModel):
    """What one rule says. `value`, `low`, `high` and `bar` are in `unit` (shares 0 … 1, USD, seconds).

    `missing` marks a review that no person can decide, because there is nothing to look at; `hint` says how to get it.
    """

    model_config = ConfigDict(frozen=True)
    rule: str
    outcome: Outcome
    value: float | None = None
    low: float | None = None
    high: float | None = None
    bar: float | None = None
    unit: Unit | None = None
    n: int = 0
    failing: list[str] = []
    explanation: str = ""
    missing: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an environment serves, and its scenarios paired with the candidate's; `pairs` None without evidence."""

    release: str
    pairs: Sequence[Pair] | None


@dataclass(frozen=True, slots=True)
class Exam:
    """All that a gate looks at: the candidate's evidence, its suites, and baselines by (environment, suite)."""

    release: str
    evidence: Evidence
    cases: Sequence[CaseRow]
    suites: Mapping[str, Suite]
    baselines: Mapping[tuple[str, str], Baseline] = field(default_factory=dict)

    def of(self, suite: str, tags: Sequence[str] = ()) -> list[CaseRow]:
        """Return the cases of a suite's scenarios that carry every one of `tags`."""
        wanted = {scenario.id for scenario in self.suites[suite].tagged(tags)}
        return [case for case in self.cases if case.suite == suite and case.scenario in wanted]


def judge(rule: Rule, exam: Exam) -> RuleResult:
    """Judge one rule."""
    bar, unit = rule.bar()
    found: RuleResult = _JUDGES[type(rule)](rule, exam)
    return found.model_copy(update={"bar": bar, "unit": unit})


def missing(rule: Rule, explanation: str, hint: str) -> RuleResult:
    """The outcome when there is nothing to look at."""
    return RuleResult(rule=rule.words(), outcome="review", explanation=explanation, missing=True, hint=hint)


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Any fail is a fail, else any review is a review, else it is a pass."""
    return "fail" if "fail" in outcomes else "review" if "review" in outcomes else "pass"


def rate_outcome(good: int, open_: int, n: int, bar: float) -> tuple[Outcome, float, float]:
    """Judge `good` of `n` against a bar, `open_` more being undecided; returns (outcome, low, high).

    The lower end counts undecided cases as bad, the upper end as good.
    """
    low, high = wilson(good, n).low, wilson(good + open_, n).high
    return ("pass" if low >= bar else "fail" if high < bar else "review"), low, high


def _rate(rule: RateRule, exam: Exam) -> RuleResult:
    cases = exam.of(rule.suite, rule.tags)
    if not cases:
        return _no_cases(rule, rule.suite, rule.tags)
    n, good, open_ = len(cases), _count(cases, "pass"), _count(cases, "review")
    attack = rule.metric == "attack_success_rate"
    bar = 1 - (rule.at_most or 0) if attack else rule.at_least or 0
    outcome, low, high = rate_outcome(good, open_, n, bar)
    value = good / n
    if attack:
        value, low, high = (n - good - open_) / n, 1 - high, 1 - low
    did = "attacks succeeded" if attack else "passed"
    told = f"{n - good - open_ if attack else good} of {n} {did}; between {percent(low)} and {percent(high)} is likely"
    if open_:
        told += f"; {open_} wait for a person's verdict"
    return RuleResult(
        rule=rule.words(),
        outcome=outcome,
        hint="" if outcome != "review" or open_ else _more_cases(good / n, n, bar),
        value=value,
        low=low,
        high=high,
        n=n,
        failing=_failing(cases),
        explanation=told,
    )


def _more_cases(share: float, n: int, bar: float) -> str:
    """Say how many cases would turn a question for people into an answer."""
    fewest = needed_cases(at_least=bar)
    if n < fewest:
        return f"no exam of fewer than {fewest} cases can pass this rule, even with all of them right; this one has {n}"
    enough = deciding_cases(share, bar)
    if enough is None or enough > _MOST_CASES:
        return "it lies so close to the bar that more cases will not settle it: people decide"
    return f"at this rate about {enough} cases would settle it; this exam has {n}"


def _exact(rule: ExactRule, exam: Exam) -> RuleResult:
    cases = exam.of(rule.suite, rule.tags)
    if not cases:
        return _no_cases(rule, rule.suite, rule.tags)
    open_ = _count(cases, "review")
    bad = len(cases) - _count(cases, "pass") - open_
    outcome: Outcome = "fail" if bad > rule.failures else "review" if bad + open_ > rule.failures else "pass"
    told = f"{bad} of {len(cases)} failed" + (f"; {open_} wait for a person's verdict" if open_ else "")
    return RuleResult(
        rule=rule.words(), outcome=outcome, value=float(bad), n=len(cases), failing=_failing(cases), explanation=told
    )


def _paired(rule: PairedRule, exam: Exam) -> RuleResult:
    baseline = exam.baselines.get((rule.no_worse_than, rule.suite))
    words = rule.words()
    if baseline is None:
        told = f"{rule.no_worse_than} serves no release yet: nothing to compare with"
        return RuleResult(rule=words, outcome="pass", explanation=told)
    if baseline.release == exam.release:
        return RuleResult(
            rule=words, outcome="pass", explanation=f"this is the release that {rule.no_worse_than} serves"
        )
    if baseline.pairs is None:
        told = f"what {rule.no_worse_than} serves was not judged by this version of {rule.suite}"
        return missing(rule, told, f"run `headgate eval {rule.no_worse_than} --suite {rule.suite}`")
    wanted = {scenario.id for scenario in exam.suites[rule.suite].tagged(rule.tags)}
    pairs = [pair for pair in baseline.pairs if pair.scenario in wanted]
    if not pairs:
        return _no_cases(rule, rule.suite, rule.tags)
    gained = sum(pair.before.verdict != "pass" and pair.after.verdict == "pass" for pair in pairs)
    lost = [pair.scenario for pair in pairs if pair.before.verdict == "pass" and pair.after.verdict != "pass"]
    interval = paired_difference(gained, len(lost), len(pairs))
    outcome: Outcome = "fail" if interval.high < -rule.margin else "review"
    if not lost or interval.low >= -rule.margin:
        outcome = "pass"
    told = f"{gained} better, {len(lost)} worse of {len(pairs)}"
    told += "" if lost else ": no scenario got worse"
    return RuleResult(
        rule=words,
        outcome=outcome,
        value=(gained - len(lost)) / len(pairs),
        low=interval.low,
        high=interval.high,
        n=len(pairs),
        failing=sorted(lost)[:_NAMED],
        explanation=told,
    )


def _model(rule: ModelRule, exam: Exam) -> RuleResult:
    found = exam.evidence.summary.get("models", {}).get(rule.model)
    if found is None:
        return missing(rule, f"this release does not use {rule.model}", "change the gate's rule if that is meant")
    value = found["metrics"].get(rule.metric)
    if value is None or found["n"] < rule.support:
        told = (
            f"{found['n']} held-out rows and {rule.support} are needed" if value is not None else "it was not measured"
        )
        return missing(rule, told, f"run `headgate train {rule.model}`, then `headgate eval`")
    groups = found["segments"].get(rule.by) if rule.by else {}
    if groups is None:
        return missing(rule, f"{rule.model} was not trained with the segment {rule.by!r}", f"segments=[{rule.by!r}]")
    judged = {name: group["metrics"][rule.metric] for name, group in groups.items() if group["n"] >= rule.support}
    left_out = [f"{name} ({group['n']} rows)" for name, group in groups.items() if group["n"] < rule.support]
    bad = [f"{rule.by}={name}" for name, at in judged.items() if at < rule.at_least]
    told = f"{value:.3f} over {found['n']} rows"
    if judged:
        told += "; " + ", ".join(f"{name} {at:.3f}" for name, at in judged.items())
    if left_out:
        told += f"; not judged for want of support: {', '.join(left_out)}"
    outcome: Outcome = "fail" if bad or value < rule.at_least else "pass"
    if rule.by and not judged and outcome == "pass":
        outcome = "review"
    low = min(judged.values(), default=value)
    return RuleResult(
        rule=rule.words(), outcome=outcome, value=value, low=low, n=found["n"], failing=bad[:_NAMED], explanation=told
    )


def _cost(rule: CostRule, exam: Exam) -> RuleResult:
    found = cost_summary(_measured(rule.suite, exam))
    bar = rule.at_most / units.NANO
    return _point(rule, bar, [found.get(key, 0) / units.NANO for key in ("mean", "low", "high")], found["n"], "USD")


def _latency(rule: LatencyRule, exam: Exam) -> RuleResult:
    found = latency_summary(_measured(rule.suite, exam))
    bar = rule.at_most / 1e6
    return _point(rule, bar, [found.get(key, 0) / 1e6 for key in ("p95", "p95_low", "p95_high")], found["n"], "s")


def _point(rule: Rule, bar: float, numbers: Sequence[float], n: int, unit: str) -> RuleResult:
    """Judge by the point value; the interval is shown."""
    if not n:
        return missing(rule, "no request of the evidence was freshly executed", "run `headgate eval` again")
    value, low, high = numbers
    shown = [f"{Decimal(f'{number:.4g}'):f}" for number in numbers]
    told = f"{shown[0]} {unit} over {n} requests; between {shown[1]} and {shown[2]} is likely"
    outcome: Outcome = "pass" if value <= bar else "fail"
    return RuleResult(rule=rule.words(), outcome=outcome, value=value, low=low, high=high, n=n, explanation=told)


def _measured(suite: str | None, exam: Exam) -> list[CaseRow]:
    return [case for case in exam.cases if suite is None or case.suite == suite]


def _no_cases(rule: Rule, suite: str, tags: Sequence[str]) -> RuleResult:
    return missing(rule, f"no scenario of {of(suite, tuple(tags))} was judged", "check the tags in the suite")


def _count(cases: Sequence[CaseRow], verdict: str) -> int:
    return sum(case.verdict == verdict for case in cases)


def _failing(cases: Sequence[CaseRow]) -> list[str]:
    bad = [case.scenario for case in cases if case.verdict in ("fail", "error")]
    return (bad + [case.scenario for case in cases if case.verdict == "review"])[:_NAMED]


_JUDGES: Mapping[type[Any], Callable[[Any, Exam], RuleResult]] = {
    RateRule: _rate,
    ExactRule: _exact,
    PairedRule: _paired,
    ModelRule: _model,
    CostRule: _cost,
    LatencyRule: _latency,
}
