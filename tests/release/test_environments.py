"""Rules bind when applied, and changing them needs the environment's own approvals (decision 14)."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.kernel import Conflict, Denied, InvalidInput
from headgate.release import EnvironmentApply, apply


def weaken(world: Any) -> str:
    """Propose weaker rules for prod; returns their digest."""
    world.edit("headgate.yaml", "at_least: 0.9", "at_least: 0.5")
    [result] = apply(world, EnvironmentApply(environment="prod")).environments
    assert result.state == "pending"
    return result.rules_digest


def agree(world: Any, digest: str) -> dict[str, Any]:
    asked = {"app": "support", "environment": "prod", "rules_digest": digest}
    return dict(world.call("environment.approve", asked))


def test_the_first_rules_apply_at_once(world: Any) -> None:
    states = {item.environment: item.state for item in apply(world, EnvironmentApply()).environments}
    assert states == {"dev": "applied", "staging": "applied", "prod": "applied"}
    again = {item.state for item in apply(world, EnvironmentApply()).environments}
    assert again == {"unchanged"}


def test_weaker_rules_wait_and_the_old_ones_judge(world: Any) -> None:
    world.apply()
    before = world.environment()
    weaken(world)
    after = world.environment()
    assert after["rules"] == before["rules"]
    assert "at least 50 %" in after["pending"]["rules"][0]
    assert after["rules_digest"] == before["rules_digest"]


def test_somebody_else_must_agree(world: Any) -> None:
    world.apply()
    digest = weaken(world)
    with pytest.raises(Denied, match="person_c proposed"):
        agree(world, digest)
    with pytest.raises(Denied, match="nobody proved"):
        agree(world.be("local", verified=False), digest)
    assert agree(world.be("person_d"), digest)["state"] == "applied"
    shown = world.environment()
    assert "at least 50 %" in shown["rules"][0]
    assert shown["pending"] is None
    assert shown["rules_by"] == "person_c"


def test_agreement_is_to_the_very_text(world: Any) -> None:
    world.apply()
    digest = weaken(world)
    world.edit("headgate.yaml", "at_least: 0.5", "at_least: 0.1")
    apply(world, EnvironmentApply(environment="prod"))
    with pytest.raises(Conflict, match="no such rules wait"):
        agree(world.be("person_d"), digest)


def test_dropping_the_approvals_needs_an_approval(world: Any) -> None:
    world.apply()
    world.edit("headgate.yaml", "approvals: 1", "approvals: 0")
    [result] = apply(world, EnvironmentApply(environment="prod")).environments
    assert result.state == "pending"
    assert world.environment()["approvals"] == 1


def test_two_approvals_need_two_people(world: Any) -> None:
    world.edit("headgate.yaml", "approvals: 1", "approvals: 2")
    world.apply()
    digest = weaken(world)
    assert agree(world.be("person_d"), digest)["state"] == "pending"
    assert agree(world.be("person_d"), digest)["state"] == "pending"
    assert agree(world.be("person_e"), digest)["state"] == "applied"


def test_without_approvals_rules_change_at_once(world: Any) -> None:
    world.apply()
    world.edit("headgate.yaml", "dev: {}", "dev: {gate: light}")
    [result] = apply(world, EnvironmentApply(environment="dev")).environments
    assert result.state == "applied"
    assert world.environment("dev")["rules"] == ["no scenario of suites/golden tagged critical fails"]


def test_a_name_that_is_none_is_told_with_the_nearest(world: Any) -> None:
    with pytest.raises(InvalidInput, match="did you mean 'prod'"):
        apply(world, EnvironmentApply(environment="prd"))


def test_approvals_without_rules_could_never_be_given(world: Any) -> None:
    asked = {"app": "support", "environment": "prod", "rules": {"gate": "release", "approvals": 1}}
    with pytest.raises(InvalidInput, match="approvals need a gate"):
        world.call("environment.set", asked)


def test_a_rule_that_a_client_sends_is_checked_like_one_in_a_file(world: Any) -> None:
    rule = {"suite": "suites/golden", "metric": "pas_rate", "at_least": 0.5}
    asked = {"app": "support", "environment": "prod", "rules": {"gate": "release", "rules": [rule]}}
    with pytest.raises(InvalidInput, match="did you mean 'pass_rate'"):
        world.call("environment.set", asked)
