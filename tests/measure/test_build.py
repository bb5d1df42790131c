"""Scorers as people write them, their verdicts, and errors that say what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from headgate.kernel import Answer, Grounding, InvalidInput, RequestRecord, Verdict
from headgate.measure import Score, Subject, build

ANSWER = Answer(
    text="A return takes 30 days. [1]",
    status="answered",
    release="sha256:0",
    trace_id="t",
    route="default",
    label="returns",
    citations=("corpus/returns",),
    latency_us=1_500_000,
    cost_nano=3_000_000,
    grounding=Grounding(0.75, (("x", 1.0, "s"),)),
)


def look(name: str, value: Any = None, answer: Answer | None = ANSWER, text: str | None = None) -> Score:
    given = text if text is not None else answer.text if answer else ""
    return build(name, value).look(Subject(text=given, answer=answer))


@pytest.mark.parametrize(
    ("name", "value", "passed"),
    [
        ("contains", "30 days", True),
        ("contains", {"value": "30 days"}, True),
        ("contains", 30, True),
        ("contains", "A RETURN", False),
        ("icontains", "A RETURN", True),
        ("not-contains", "60 days", True),
        ("not-icontains", "30 DAYS", False),
        ("contains-any", ["60", "30"], True),
        ("contains-all", ["60", "30"], False),
        ("icontains-all", ["DAYS", "return"], True),
        ("starts-with", "A return", True),
        ("equals", "A return takes 30 days. [1]", True),
        ("equals", "A return", False),
        ("regex", r"\b\d+ days\b", True),
        ("regex", "(?i)RETURN", True),
        ("not-regex", r"\$\d", True),
        ("is-json", None, False),
        ("grounded", None, True),
        ("grounded", 0.8, False),
        ("grounded", "75%", True),
        ("latency", "2s", True),
        ("latency", "800ms", False),
        ("cost", "$0.004", True),
        ("cost", 0.001, False),
        ("refuses", None, False),
        ("not-refuses", True, True),
        ("cites", "corpus/returns", True),
        ("cites", ["corpus/plans", "corpus/returns"], True),
        ("cites", "corpus/plans", False),
        ("routes-to", "default", True),
        ("routes-to", "high_risk", False),
        ("blocked-by", "injection", False),
        ("not-blocked-by", "injection", True),
        ("not-pii", None, True),
        ("not-secrets", None, True),
        ("not-injection", None, True),
    ],
)
def test_assertions_judge(name: str, value: Any, passed: bool) -> None:
    score = look(name, value)
    assert score.passed is passed, score
    assert score.name == name
    assert score.explanation


@pytest.mark.parametrize("status", ["refused", "blocked", "held", "safe"])
def test_refuses_goes_by_the_status_first(status: Any) -> None:
    assert look("refuses", answer=structs.replace(ANSWER, status=status)).passed


def test_blocked_by_counts_faults_and_never_what_only_observed() -> None:
    def verdict(name: Any, observed: bool = False) -> Answer:
        return structs.replace(ANSWER, verdicts=(Verdict("injection", "input", name, observed=observed),))

    assert look("blocked-by", "injection", verdict("block")).passed
    assert look("blocked-by", "injection", verdict("error_blocked")).passed
    assert not look("blocked-by", "injection", verdict("block", observed=True)).passed
    assert not look("blocked-by", "injection", verdict("mask")).passed
    assert not look("blocked-by", "pii", verdict("block")).passed


def test_is_json_fits_a_schema() -> None:
    schema = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
    assert look("is-json", schema, text='{"id": 4}').passed
    assert not look("is-json", schema, text='{"id": "4"}').passed
    assert not look("is-json", None, text='{"id": NaN}').passed
    assert not look("is-json", None, text="[" * 100_000).passed


def test_equals_compares_json_when_written_as_a_mapping() -> None:
    assert look("equals", {"a": [1]}, text='{"a":[1]}').passed
    assert not look("equals", {"a": [1]}, text="nonsense").passed


@pytest.mark.parametrize("name", ["cites", "routes-to", "blocked-by", "latency", "cost"])
def test_without_an_answer_nothing_is_claimed(name: str) -> None:
    value = {"latency": "2s", "cost": 1}.get(name, "x")
    score = look(name, value, answer=None)
    assert (score.passed, score.label) == (None, "error")
    assert look(f"not-{name}", value, answer=None).passed is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("contain", "x", "did you mean 'contains'"),
        ("javascript", "x", "suites are data"),
        ("not-python", "x", "suites are data"),
        ("llm-rubric", "x", "asks a model"),
        ("similar", "x", "embedding"),
        ("is-refusal", None, "write refuses"),
        ("contains", None, "needs a value"),
        ("contains", {"valu": "x"}, "no option 'valu'"),
        ("latency", "soon", "expected a duration"),
        ("cost", {"at": 3}, "no option 'at'"),
        ("grounded", 7, "between 0 and 1"),
        ("refuses", False, "not-refuses"),
        ("regex", "(?=x)", "look-around"),
        ("regex", "(", "cannot be used"),
        ("regex", "(a)\\1", "back-references"),
        ("is-json", {"type": "objekt"}, "not a JSON Schema"),
    ],
)
def test_mistakes_are_told_in_one_sentence(name: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as problem:
        build(name, value)
    assert words in str(problem.value)
    assert "\n" not in str(problem.value)


def test_a_pattern_that_explodes_elsewhere_is_linear_here() -> None:
    assert not look("regex", "(a+)+$", text="a" * 50_000 + "!").passed
    assert not look("regex", "(.*)(.*)(.*)=x", text="a" * 20_000).passed


def record(**changes: Any) -> RequestRecord:
    known = {
        "trace_id": "t", "project": "p", "at": 0.0, "app": "a", "environment": "", "release": "r", "source": "live",
        "route": "default", "label": "", "model": "", "status": "answered", "reason": "",
    }  # fmt: skip
    return RequestRecord(**{**known, **changes})


def test_windows_of_requests_are_measured() -> None:
    window = [
        record(status="error", latency_us=1_000_000, cost_nano=1_000_000_000, grounding=0.5),
        record(status="refused", latency_us=2_000_000),
        record(status="blocked", latency_us=3_000_000, route="smalltalk"),
        record(latency_us=4_000_000, grounding=1.0),
    ]

    def value(name: str, option: Any = None) -> float:
        return build(name, option).look(Subject(records=window)).value

    assert value("error-rate") == 0.25
    assert value("refusals") == 0.5
    assert value("groundedness") == 0.75
    assert value("route-mix", "smalltalk") == 0.25
    assert value("route-mix") == 0.75
    assert value("latency-p95") == 4.0
    assert value("cost-per-request") == 0.25
    assert build("error-rate").look(Subject()).label == "error"
