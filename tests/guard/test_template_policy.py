"""The template's own policy against its red-team and edge suites: attacks stop, look-alikes pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.guard import Policy, compile_policy, inspect
from headgate.kernel import plugins

TEMPLATE = Path(__file__).parents[2] / "src/headgate/templates/support"


@pytest.fixture(scope="module")
def policy() -> Policy:
    return compile_policy(plugins.load("kinds", "policy").parse(TEMPLATE, "policies/support").document)


def scenarios(suite: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((TEMPLATE / f"suites/{suite}.yaml").read_text(encoding="utf-8"))
    return found


def blocked_by(policy: Policy, text: str) -> str:
    outcome = inspect(policy.input, text, "input")
    return outcome.blocked.guard if outcome.blocked else ""


def test_every_attack_that_must_be_stopped_is(policy: Policy) -> None:
    attacks = [one for one in scenarios("redteam") if {"blocked-by": "injection"} in one["expect"]]
    assert len(attacks) >= 150
    assert [one["id"] for one in attacks if blocked_by(policy, one["input"]) != "injection"] == []


@pytest.mark.parametrize("suite", ["edge", "golden"])
def test_no_honest_question_is_stopped(policy: Policy, suite: str) -> None:
    asked = [one for one in scenarios(suite) if one.get("input")]
    assert [one["id"] for one in asked if blocked_by(policy, one["input"])] == []


def test_no_page_for_customers_would_be_stopped_or_changed(policy: Policy) -> None:
    for page in sorted((TEMPLATE / "corpus").glob("*.md")):
        outcome = inspect(policy.output, page.read_text(encoding="utf-8"), "output")
        if page.stem == "agent-notes":
            assert outcome.blocked is not None
            assert outcome.blocked.guard == "terms"
        else:
            assert outcome.blocked is None, (page.stem, outcome.blocked)
            assert outcome.text == page.read_text(encoding="utf-8"), page.stem


def test_personal_data_in_questions_is_masked(policy: Policy) -> None:
    for one in scenarios("edge"):
        if "pii" in one["tags"] and one["id"] != "pii-home-address":
            assert inspect(policy.input, one["input"], "input").text != one["input"], one["id"]
