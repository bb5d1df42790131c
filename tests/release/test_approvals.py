"""Who may approve, what an approval binds, and what voids it (P20)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from headgate.kernel import Conflict, Denied
from headgate.store import tables


def approve(world: Any, digest: str) -> dict[str, Any]:
    return dict(world.call("release.approve", {"release": digest, "environment": "prod"}))


@pytest.fixture
def judged(world: Any) -> str:
    world.apply()
    return str(world.judged())


def test_the_author_cannot_approve_with_any_key(world: Any, judged: str) -> None:
    for _ in range(2):
        with pytest.raises(Denied, match="person_c is an author"):
            approve(world.be("person_c"), judged)
    assert not world.promote(judged).moved


def test_another_person_can_and_then_it_moves(world: Any, judged: str) -> None:
    first = world.promote(judged)
    assert (first.moved, first.outcome) == (False, "review")
    assert "release approve" in first.words
    said = approve(world.be("person_d"), judged)
    assert (said["counts"], said["approvals"], said["needed"]) == (True, ["person_d"], 1)
    moved = world.promote(judged)
    assert moved.moved
    assert moved.approvals == ["person_d"]


def test_an_unverified_approval_is_recorded_and_does_not_count(world: Any, judged: str) -> None:
    said = approve(world.be("local", verified=False), judged)
    assert (said["new"], said["counts"]) == (True, False)
    assert not world.promote(judged).moved


def test_two_keys_of_one_person_are_one_approval(world: Any, judged: str) -> None:
    assert approve(world.be("person_d"), judged)["new"]
    assert not approve(world.be("person_d"), judged)["new"]
    with world.store.records.read() as tx:
        assert len(tx.all(select(tables.approval))) == 1


def test_the_database_refuses_a_second_approval_of_one_person(world: Any, judged: str) -> None:
    approve(world.be("person_d"), judged)
    with world.store.records.read() as tx:
        row = dict(tx.one(select(tables.approval)))
    with pytest.raises(IntegrityError), world.store.records.begin() as tx:
        tx.execute(tables.approval.insert().values(**{**row, "id": "apr_other"}))


def test_an_edit_after_the_approval_is_another_release(world: Any, judged: str) -> None:
    approve(world.be("person_d"), judged)
    world.edit("prompts/answer.md", "shortly", "briefly")
    assert not world.promote(world.judged()).moved


def test_new_rules_void_it(world: Any, judged: str) -> None:
    approve(world.be("person_d"), judged)
    world.edit("headgate.yaml", "at_least: 0.9", "at_least: 0.91")
    world.apply()
    waiting = world.environment()["pending"]["rules_digest"]
    world.be("person_e").call("environment.approve", {"app": "support", "environment": "prod", "rules_digest": waiting})
    assert not world.promote(judged).moved


def test_other_evidence_voids_it(world: Any, judged: str) -> None:
    approve(world.be("person_d"), judged)
    world.edit("suites/golden.yaml", "question c09", "question number c09")
    assert world.judged() == judged
    assert not world.promote(judged).moved


def test_another_baseline_voids_it(world: Any, judged: str) -> None:
    world.edit("prompts/answer.md", "shortly", "briefly")
    other = world.judged()
    for digest in (judged, other):
        approve(world.be("person_d"), digest)
    assert world.promote(other).moved
    assert not world.promote(judged).moved


def test_whoever_registered_a_new_version_is_an_author(world: Any) -> None:
    world.apply()
    world.edit("prompts/answer.md", "shortly", "briefly")
    world.be("person_d").create()
    world.edit("prompts/safe.md", "answer", "help")
    digest = world.be("dave").judged()
    with pytest.raises(Denied, match="person_d is an author"):
        approve(world.be("person_d"), digest)
    assert approve(world.be("erin"), digest)["counts"]


def test_a_part_that_is_served_already_makes_nobody_an_author(world: Any, judged: str) -> None:
    approve(world.be("person_d"), judged)
    world.promote(judged)
    world.edit("prompts/answer.md", "shortly", "briefly")
    digest = world.be("person_d").judged()
    assert approve(world.be("person_c"), digest)["counts"]


def test_what_fails_or_was_never_judged_cannot_be_approved(world: Any) -> None:
    world.apply()
    with pytest.raises(Conflict, match="headgate eval"):
        approve(world.be("person_d"), world.create())
    world.edit("prompts/answer.md", "one", "broken")
    with pytest.raises(Conflict, match="nothing to approve"):
        approve(world.be("person_d"), world.judged())


def test_a_review_moves_only_with_a_persons_judgement(world: Any) -> None:
    world.edit("headgate.yaml", "light:\n    - {suite: suites/golden, tags: [critical], failures: 0}",
               "light:\n    - {suite: suites/golden, metric: pass_rate, at_least: 0.97}")  # fmt: skip
    world.apply()
    digest = world.judged()
    assert world.gate(digest, "staging").outcome == "review"
    assert not world.promote(digest, "staging").moved
    world.be("person_d").call("release.approve", {"release": digest, "environment": "staging"})
    assert world.promote(digest, "staging").moved


def test_the_list_tells_who_approved_what_counts_and_why_you_may_not(world: Any, judged: str) -> None:
    asked = {"release": judged, "environment": "prod"}
    before = world.be("person_c").call("release.approvals", asked)
    assert (before["counting"], before["needed"], before["given"]) == ([], 1, [])
    assert "person_c is an author" in before["why_not"]
    assert "the release" in before["authors"]["person_c"]
    world.be("person_r").call("release.approve", {**asked, "note": "reads well"})
    world.be("local", verified=False).call("release.approve", asked)
    after = world.be("person_r").call("release.approvals", asked)
    assert after["counting"] == ["person_r"]
    assert after["why_not"] == ""
    given = {item["person"]: item for item in after["given"]}
    assert (given["person_r"]["note"], given["person_r"]["counts"]) == ("reads well", True)
    assert given["local"]["why"] == "nobody proved who made it"
    assert world.promote(judged).moved
    served = world.be("person_r").call("release.approvals", asked)
    assert served["counting"] == []
    assert {item["why"] for item in served["given"]} >= {"the environment served another release then"}
    assert "serves this release already" in served["why_not"]


def test_what_changed_since_it_was_looked_at_is_not_approved(world: Any, judged: str) -> None:
    seen = world.gate(judged)
    asked = {"release": judged, "environment": "prod", "generation": seen.generation, "evidence": seen.evidence}
    for changed in ({"generation": seen.generation + 1}, {"evidence": "ev_other"}):
        with pytest.raises(Conflict, match="changed by somebody else"):
            world.be("person_r").call("release.approve", {**asked, **changed})
    assert world.be("person_r").call("release.approve", asked)["counts"]
