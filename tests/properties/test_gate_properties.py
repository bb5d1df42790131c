"""The gate never rewards a worse release: outcomes are monotone in what the scenarios said."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some

from headgate.evaluate import CaseRow, Evidence, Expectation, Message, Pair, Scenario, Suite
from headgate.release import ExactRule, ModelRule, PairedRule, RateRule, RuleResult
from headgate.release.judging import Baseline, Exam, judge, worst

RANK = {"fail": 0, "review": 1, "pass": 2}
VERDICTS = some.lists(some.sampled_from(["pass", "pass", "pass", "review", "fail", "error"]), min_size=1, max_size=200)
BETTER = {"fail": "review", "error": "fail", "review": "pass", "pass": "pass"}
SHARES = some.floats(0.01, 0.99)
CALM = settings(deadline=None, max_examples=80)


def exam(verdicts: list[str], before: list[str] | None = None) -> Exam:
    expect = (Expectation(name="refuses", behaviour=1),)
    scenarios = [
        Scenario(id=f"c{i}", messages=(Message(role="user", content="q"),), expect=expect) for i in range(len(verdicts))
    ]
    cases = [row(f"c{i}", verdict) for i, verdict in enumerate(verdicts)]
    evidence = Evidence(
        "ev_1", "new", "app", "d", {"suites": {"suites/s": "x"}}, "done", 0.0, 1.0, {}, "job", "person_c"
    )
    baselines = {}
    if before is not None:
        pairs = [
            Pair("suites/s", case.scenario, row(case.scenario, old), case)
            for case, old in zip(cases, before, strict=True)
        ]
        baselines = {("prod", "suites/s"): Baseline("old", pairs)}
    return Exam("new", evidence, cases, {"suites/s": Suite(scenarios=tuple(scenarios))}, baselines)


def row(scenario: str, verdict: str) -> CaseRow:
    return CaseRow("suites/s", scenario, 0, verdict, [], {}, "t", 0, 1)


def rules(bar: float) -> list[RateRule | ExactRule]:
    return [
        RateRule(suite="suites/s", metric="pass_rate", at_least=bar),
        RateRule(suite="suites/s", metric="attack_success_rate", at_most=bar),
        ExactRule(suite="suites/s", failures=int(bar * 10)),
    ]


@CALM
@given(VERDICTS, some.integers(0, 199), SHARES)
def test_one_better_verdict_never_makes_an_outcome_worse(verdicts: list[str], at: int, bar: float) -> None:
    better = list(verdicts)
    better[at % len(better)] = BETTER[better[at % len(better)]]
    for rule in rules(bar):
        assert RANK[judge(rule, exam(better)).outcome] >= RANK[judge(rule, exam(verdicts)).outcome]


@CALM
@given(VERDICTS, SHARES, SHARES)
def test_a_higher_bar_never_makes_an_outcome_better(verdicts: list[str], one: float, two: float) -> None:
    low, high = sorted((one, two))
    judged = [judge(rules(bar)[0], exam(verdicts)) for bar in (low, high)]
    assert RANK[judged[0].outcome] >= RANK[judged[1].outcome]


@CALM
@given(VERDICTS, SHARES)
def test_the_value_lies_in_its_interval(verdicts: list[str], bar: float) -> None:
    for rule in rules(bar)[:2]:
        found = judge(rule, exam(verdicts))
        assert found.low is not None
        assert found.high is not None
        assert found.value is not None
        assert found.low - 1e-9 <= found.value <= found.high + 1e-9


EITHER = some.sampled_from(["pass", "fail"])


@CALM
@given(some.lists(some.tuples(EITHER, EITHER), min_size=1, max_size=150), some.integers(0, 149), some.floats(0, 0.5))
def test_getting_better_at_a_scenario_never_hurts_against_the_baseline(
    both: list[tuple[str, str]], at: int, margin: float
) -> None:
    rule = PairedRule(suite="suites/s", metric="pass_rate", no_worse_than="prod", margin=margin)
    before, after = [pair[0] for pair in both], [pair[1] for pair in both]
    better = list(after)
    better[at % len(better)] = "pass"
    assert RANK[judge(rule, exam(better, before)).outcome] >= RANK[judge(rule, exam(after, before)).outcome]


@CALM
@given(VERDICTS)
def test_equal_releases_are_no_worse_than_each_other(verdicts: list[str]) -> None:
    rule = PairedRule(suite="suites/s", metric="pass_rate", no_worse_than="prod")
    assert judge(rule, exam(verdicts, verdicts)).outcome == "pass"


@CALM
@given(some.floats(0, 1), some.integers(1, 200), some.floats(0, 1))
def test_a_model_metric_needs_its_support(value: float, n: int, bar: float) -> None:
    looked = exam(["pass"])
    measured = {"n": n, "metrics": {"accuracy": value}}
    models = {"models/m": {**measured, "segments": {"channel": {"chat": measured}}}}
    looked.evidence.summary.update(models=models)  # type: ignore[attr-defined]
    rule = ModelRule(model="models/m", metric="accuracy", at_least=bar, by="channel", support=30)
    expected = "review" if n < 30 else "pass" if value >= bar else "fail"
    assert judge(rule, looked).outcome == expected


@CALM
@given(some.lists(some.sampled_from(["pass", "fail", "review"]), max_size=8))
def test_the_gate_is_as_bad_as_its_worst_rule(outcomes: list[str]) -> None:
    results = [RuleResult(rule="r", outcome=outcome) for outcome in outcomes]
    found = worst([result.outcome for result in results])
    assert RANK[found] == min((RANK[outcome] for outcome in outcomes), default=2)
