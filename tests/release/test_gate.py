"""The gate: three outcomes, intervals, exact rules, baselines, and evidence that is missing or too old."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.kernel import Conflict, NotFound


def rule(result: Any, part: str) -> Any:
    [found] = [item for item in result.rules if part in item.rule]
    return found


def test_a_good_release_passes(world: Any) -> None:
    world.apply()
    result = world.gate(world.judged())
    assert result.outcome == "pass", [item for item in result.rules if item.outcome != "pass"]
    rate = rule(result, "at least 90 %")
    assert (rate.value, rate.n) == (1.0, 40)
    assert rate.low >= 0.9
    assert result.evidence_digest.startswith("sha256:")
    assert "nothing to compare with" in rule(result, "no worse").explanation


def test_a_bad_prompt_fails_by_name_of_scenario(world: Any) -> None:
    world.apply()
    world.edit("prompts/answer.md", "one", "broken")
    result = world.gate(world.judged())
    assert result.outcome == "fail"
    critical = rule(result, "no scenario")
    assert critical.outcome == "fail"
    assert critical.failing == ["c00", "c01", "c02"]
    assert len(rule(result, "at least 90 %").failing) == 10


def test_a_rate_whose_interval_straddles_the_bar_is_a_review(world: Any) -> None:
    world.apply()
    for case in ("c10", "c11", "c12"):
        world.edit("suites/golden.yaml", f"{{contains: 30 days}}\n- id: {case}", f"{{contains: 31 days}}\n- id: {case}")
    result = world.gate(world.judged())
    rate = rule(result, "at least 90 %")
    assert rate.outcome == "review"
    assert rate.low < 0.9 < rate.high
    assert rate.failing == ["c09", "c10", "c11"]
    assert result.outcome == "review"


def test_without_evidence_nothing_passes(world: Any) -> None:
    world.apply()
    result = world.gate(world.create())
    assert result.outcome == "review"
    assert {item.outcome for item in result.rules} == {"review"}
    assert all(item.missing and "headgate eval" in item.hint for item in result.rules)
    assert not result.decidable


def test_evidence_expires(world: Any) -> None:
    world.apply()
    digest = world.judged()
    world.clock.at += 14 * 86_400 + 1
    result = world.gate(digest)
    assert result.outcome == "review"
    assert "expired" in result.rules[0].explanation


def test_evidence_of_one_suite_does_not_answer_for_the_others(world: Any) -> None:
    from headgate.release import Eval, evaluate

    world.apply()
    digest = evaluate(world, Eval(suite=("suites/golden",))).release
    assert "suites/redteam" in world.gate(digest).rules[0].explanation


def test_the_rules_are_those_applied_not_those_of_the_branch(world: Any) -> None:
    world.apply()
    world.edit("prompts/answer.md", "one", "broken")
    world.edit("headgate.yaml", "failures: 0", "failures: 1000")
    world.edit("headgate.yaml", "at_least: 0.9", "at_least: 0.0")
    assert world.gate(world.judged()).outcome == "fail"


def test_a_paired_rule_looks_at_the_same_scenarios_of_what_is_served(world: Any) -> None:
    world.apply()
    served = world.judged()
    world.be("person_d").call("release.approve", {"release": served, "environment": "prod"})
    assert world.promote(served).moved
    world.edit("prompts/answer.md", "one", "two")
    result = world.gate(world.judged())
    paired = rule(result, "no worse than in prod")
    assert paired.outcome == "pass"
    assert paired.failing == ["c07"]
    assert "1 worse of 40" in paired.explanation
    assert paired.low < paired.value < paired.high


def test_a_baseline_never_judged_by_this_exam_asks_for_it(world: Any) -> None:
    world.apply()
    served = world.judged()
    world.be("person_d").call("release.approve", {"release": served, "environment": "prod"})
    world.promote(served)
    world.edit("suites/golden.yaml", "question c09", "question number c09")
    world.edit("prompts/answer.md", "one", "two")
    result = world.gate(world.judged())
    paired = rule(result, "no worse than in prod")
    assert (paired.outcome, paired.missing) == ("review", True)
    assert "headgate eval prod" in paired.hint
    assert any("c09" in note for note in result.notes)


def test_a_gate_that_was_never_applied_is_an_error(world: Any) -> None:
    with pytest.raises(NotFound, match="environment apply prod"):
        world.gate(world.judged())


def test_environments_without_a_gate_let_everything_pass(world: Any) -> None:
    world.apply()
    result = world.gate(world.create(), "dev")
    assert (result.outcome, result.rules) == ("pass", [])


def test_compare_says_which_scenarios_changed(world: Any) -> None:
    first = world.judged()
    world.edit("prompts/answer.md", "one", "two")
    second = world.judged()
    told = world.call("compare", {"a": first, "b": second})
    assert told["words"] == "0 better, 1 worse, 75 the same of 76 scenarios"
    [change] = told["changes"]
    assert (change["scenario"], change["before"], change["after"]) == ("c07", "pass", "fail")
    world.edit("prompts/answer.md", "two", "three")
    third = world.create()
    with pytest.raises(Conflict, match="headgate eval"):
        world.call("compare", {"a": first, "b": third})


def test_a_review_says_how_many_cases_would_answer_it(world: Any) -> None:
    world.apply()
    for case in ("c10", "c11", "c12"):
        world.edit("suites/golden.yaml", f"{{contains: 30 days}}\n- id: {case}", f"{{contains: 31 days}}\n- id: {case}")
    rate = rule(world.gate(world.judged()), "at least 90 %")
    assert (rate.bar, rate.unit) == (0.9, "share")
    assert rate.hint == "at this rate about 554 cases would settle it; this exam has 40"


def test_every_rule_tells_its_bar_in_its_own_unit(world: Any) -> None:
    world.apply()
    judged = world.gate(world.judged())
    assert {(item.bar, item.unit) for item in judged.rules} == {
        (0.9, "share"), (0.0, "scenarios"), (0.1, "share"), (0.01, "USD"), (20.0, "s"), (-0.15, "difference"),
    }  # fmt: skip


def test_the_list_of_releases_tells_how_each_was_judged(world: Any) -> None:
    world.apply()
    good = world.judged()
    world.clock.at += 5
    world.edit("prompts/answer.md", "one", "broken")
    bad = world.judged()
    new, old = world.call("release.list", {"gates": True})["releases"]
    assert (new["digest"], old["digest"]) == (bad, good)
    assert old["evidence"]["passed"] == old["evidence"]["cases"] == 76
    assert new["evidence"]["failed"] == 40
    assert [(gate["environment"], gate["outcome"]) for gate in old["gates"]] == [("prod", "pass"), ("staging", "pass")]
    assert {gate["outcome"] for gate in new["gates"]} == {"fail"}
    assert "no scenario of suites/golden tagged critical fails" in new["gates"][0]["stopped"]
    assert world.call("release.list", {"gates": False})["releases"][0]["gates"] == []
    assert world.call("release.show", {"release": bad, "gates": True})["gates"] == new["gates"]
    later = world.call("release.list", {"before": new["created_at"]})["releases"]
    assert [row["digest"] for row in later] == [good]


def test_evidence_is_shown_suite_by_suite_and_page_by_page(world: Any) -> None:
    world.apply()
    digest = world.judged()
    asked = {"name": digest, "verdict": "all", "suite": "suites/golden"}
    whole = world.call("evidence.show", asked)
    assert (whole["matching"], len(whole["cases"])) == (40, 40)
    part = world.call("evidence.show", {**asked, "skip": 38, "limit": 5})
    assert (part["matching"], [case["scenario"] for case in part["cases"]]) == (40, ["c38", "c39"])
