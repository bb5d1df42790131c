"""`headgate check`: what is legal and probably not meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from headgate.guard import Policy, compile_policy
from headgate.kernel import InvalidInput
from headgate.release import Check, check


def test_a_sound_project_has_no_warnings(world: Any) -> None:
    result = check(world, Check())
    assert result.warnings == []
    assert result.apps == ["support"]
    assert "suites/golden: 40 scenarios, 3 critical" in result.lines


def test_a_suite_too_small_for_its_rule_is_told_with_the_number(world: Any) -> None:
    world.edit("headgate.yaml", "at_least: 0.9}", "at_least: 0.95}")
    [warning] = check(world, Check()).warnings
    assert warning.startswith("headgate.yaml:13")
    assert "73" in warning
    assert "has 40" in warning


def test_a_rule_that_looks_at_nothing_is_told(world: Any) -> None:
    world.edit(
        "headgate.yaml",
        "tags: [critical], failures: 0}\n    - {suite: suites/red",
        "tags: [crit], failures: 0}\n    - {suite: suites/red",
    )
    [warning] = check(world, Check()).warnings
    assert "can never pass" in warning


def test_a_project_without_suites_is_checked_all_the_same(world: Any) -> None:
    """Who only wants a gateway has written none, and wants to hear of other mistakes."""
    for suite in (world.root / "suites").iterdir():
        suite.unlink()
    text = (world.root / "headgate.yaml").read_text()
    world.write("headgate.yaml", text.partition("environments:")[0] + "environments: {dev: {}}\n")
    assert [line for line in check(world, Check()).warnings if line.startswith("suites: there are none")]
    world.edit("headgate.yaml", "type: scripted", "type: scriptde")
    with pytest.raises(InvalidInput, match="scriptde"):
        check(world, Check())


def test_unused_files_are_named(world: Any) -> None:
    world.write("prompts/old.md", "Hello.\n")
    assert check(world, Check()).warnings == ["prompts/old.md: no app uses this file"]


def test_a_first_token_that_a_guard_holds_back_is_told(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built-in guards hold back little; a stranger's may need the whole answer."""
    world.write("contracts/support.yaml", "latency: {first_token: 800ms}\n")
    assert check(world, Check()).warnings == []

    def patient(document: Mapping[str, Any]) -> Policy:
        policy = compile_policy(document)
        return replace(policy, output=tuple(replace(guard, unit="answer") for guard in policy.output))

    monkeypatch.setattr(import_module("headgate.release.check"), "compile_policy", patient)
    [warning] = check(world, Check()).warnings
    assert warning.startswith("policies/support.yaml: the guard 'secrets' holds back the whole answer")
    assert "800ms" in warning


def test_a_price_of_a_model_that_no_app_calls_is_doubted(world: Any) -> None:
    world.write("prices/list.yaml", "prices:\n  bot/one: {input: $1, output: $2}\n  bot/oen: {input: $1, output: $2}\n")
    assert "prices/list.yaml: no app uses this file" in check(world, Check()).warnings
    world.edit("apps/support.yaml", "fallback:", "prices: prices/list\nfallback:")
    told = [line for line in check(world, Check()).warnings if "prices" in line]
    assert told == ["prices/list.yaml:3: prices.bot/oen: no app calls bot/oen; did you mean 'bot/one'?"]
    world.edit("prices/list.yaml", "bot/oen", "bto/one")
    with pytest.raises(InvalidInput) as caught:
        check(world, Check())
    assert str(caught.value) == ("prices/list.yaml:3: prices.bto/one: there is no provider 'bto' (did you mean 'bot'?)")
