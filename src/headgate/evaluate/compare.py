"""The operation `compare`: two releases on the same exam, scenario by scenario. Reads only.

Called by people and, through `pairs`, by the gate's `no_worse_than`. It never runs anything: what has no evidence is
said so, with the command that makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Conflict, short
from headgate.measure import paired_difference
from headgate.store import Context, Transaction

from .naming import find_release
from .rows import CaseRow, Evidence, cases_of, evidence_of

Change = Literal["better", "worse", "same"]
_RANK = {"pass": 2, "review": 1, "fail": 0, "error": 0}


@dataclass(frozen=True, slots=True)
class Pair:
    """One scenario judged on both sides. A reused or equal pair is simply `same`."""

    suite: str
    scenario: str
    before: CaseRow
    after: CaseRow

    @property
    def change(self) -> Change:
        step = _RANK[self.after.verdict] - _RANK[self.before.verdict]
        return "better" if step > 0 else "worse" if step < 0 else "same"


class Compare(BaseModel):
    """Which two releases."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    a: str = Field(description="the release to compare with: digest, its beginning, or an environment")
    b: str = Field(description="the release that is judged")


class ScenarioChange(BaseModel):
    """One scenario that changed, in people's words."""

    model_config = ConfigDict(frozen=True)
    suite: str
    scenario: str
    change: Change
    before: str
    after: str
    words: str


class SuiteComparison(BaseModel):
    """One suite on both sides: counts, and the 95 % interval of the change in the share that passes."""

    model_config = ConfigDict(frozen=True)
    suite: str
    cases: int
    better: int
    worse: int
    same: int
    difference: float
    low: float
    high: float


class Comparison(BaseModel):
    """Both releases, suite by suite, with every scenario that got better or worse."""

    model_config = ConfigDict(frozen=True)
    a: str
    b: str
    suites: list[SuiteComparison]
    changes: list[ScenarioChange]
    words: str


def compare(ctx: Context, request: Compare) -> Comparison:
    """Compare the newest evidence of two releases on the suite versions that both were judged by.

    Raises Conflict when they share none, with the command that makes the missing evidence.
    """
    project = ctx.principal.project
    a, b = (str(find_release(ctx.tx, project, name)["digest"]) for name in (request.a, request.b))
    before, after, shared = _same_exam(ctx.tx, project, a, b)
    paired = [pair for path in shared for pair in pairs(ctx.tx, project, (before, after), path)]
    suites = [_suite(path, [pair for pair in paired if pair.suite == path]) for path in shared]
    changes = [_words(pair) for pair in paired if pair.change != "same"]
    better, worse = (sum(change.change == name for change in changes) for name in ("better", "worse"))
    words = f"{better} better, {worse} worse, {len(paired) - better - worse} the same of {len(paired)} scenarios"
    return Comparison(a=a, b=b, suites=suites, changes=changes, words=words)


def pairs(tx: Transaction, project: str, sides: tuple[Evidence, Evidence], suite: str) -> list[Pair]:
    """Return the scenarios of a suite that both evidences judged, in order of their ids."""
    before, after = (cases_of(tx, project, side.id) for side in sides)
    return pair_up(before, after, suite)


def pair_up(before: Sequence[CaseRow], after: Sequence[CaseRow], suite: str) -> list[Pair]:
    """Pair the cases of a suite that were judged on both sides, in order of their ids."""
    known = {case.key: case for case in before if case.suite == suite}
    both = [case for case in after if case.suite == suite and case.key in known]
    return [Pair(suite, case.scenario, known[case.key], case) for case in both]


def _same_exam(tx: Transaction, project: str, a: str, b: str) -> tuple[Evidence, Evidence, list[str]]:
    for after in evidence_of(tx, project, b):
        for before in evidence_of(tx, project, a):
            exam = set(before.pins["suites"].items()) & set(after.pins["suites"].items())
            if exam:
                return before, after, sorted(path for path, _ in exam)
    raise Conflict(
        f"{short(a)} and {short(b)} were never judged by the same version of a suite",
        f"run `headgate eval {short(a)}` and `headgate eval {short(b)}`",
    )


def _suite(path: str, paired: Sequence[Pair]) -> SuiteComparison:
    gained = sum(pair.before.verdict != "pass" and pair.after.verdict == "pass" for pair in paired)
    lost = sum(pair.before.verdict == "pass" and pair.after.verdict != "pass" for pair in paired)
    interval = paired_difference(gained, lost, len(paired))
    counts = {name: sum(pair.change == name for pair in paired) for name in ("better", "worse", "same")}
    difference = (gained - lost) / len(paired) if paired else 0.0
    return SuiteComparison(
        suite=path, cases=len(paired), difference=difference, low=interval.low, high=interval.high, **counts
    )


def _words(pair: Pair) -> ScenarioChange:
    told = [f"{score['name']}: {score['explanation']}" for score in pair.after.scores if not score["passed"]]
    because = f" ({'; '.join(told)[:300]})" if told and pair.change == "worse" else ""
    return ScenarioChange(
        suite=pair.suite,
        scenario=pair.scenario,
        change=pair.change,
        before=pair.before.verdict,
        after=pair.after.verdict,
        words=f"{pair.scenario} was {pair.before.verdict}, is {pair.after.verdict}{because}",
    )
