"""Promotion and rollback: one compare-and-swap, remembered; of two who race, one wins (P6)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from headgate.kernel import Conflict, NotFound


def two(world: Any) -> tuple[str, str]:
    world.apply()
    first = world.create()
    world.edit("prompts/answer.md", "shortly", "briefly")
    return first, world.create()


def test_dev_just_moves_and_remembers(world: Any) -> None:
    first, second = two(world)
    world.promote(first, "dev")
    moved = world.promote(second, "dev")
    assert (moved.moved, moved.previous) == (True, first)
    shown = world.environment("dev")
    assert (shown["stable"], shown["previous"]) == (second, first)
    assert [move["action"] for move in shown["history"]] == ["promote", "promote", "rules"]


def test_the_same_release_twice_is_no_move(world: Any) -> None:
    first, _ = two(world)
    world.promote(first, "dev")
    again = world.promote(first, "dev")
    assert (again.moved, again.outcome) == (False, "pass")


def test_a_failing_gate_is_an_answer_and_nothing_moves(world: Any) -> None:
    world.apply()
    world.edit("prompts/answer.md", "one", "broken")
    stayed = world.promote(world.judged())
    assert (stayed.moved, stayed.outcome) == (False, "fail")
    assert "no scenario of suites/golden tagged critical fails" in stayed.words
    assert world.environment()["stable"] is None


def test_an_old_generation_is_a_conflict(world: Any) -> None:
    first, second = two(world)
    generation = world.environment("dev")["generation"]
    world.promote(first, "dev", generation)
    with pytest.raises(Conflict, match="somebody else"):
        world.promote(second, "dev", generation)


def test_names_may_be_short_or_an_environment(world: Any) -> None:
    first, _ = two(world)
    world.promote(first[7:19], "dev")
    assert world.promote("dev", "dev").release == first
    with pytest.raises(NotFound, match="did you mean 'dev'"):
        world.promote("dve", "dev")


def test_rollback_and_back(world: Any) -> None:
    first, second = two(world)
    world.promote(first, "dev")
    world.promote(second, "dev")
    back = world.call("release.rollback", {"environment": "dev", "reason": "too slow"})
    assert (back["release"], back["previous"]) == (first, second)
    assert world.call("release.rollback", {"environment": "dev"})["release"] == second
    assert world.environment("dev")["history"][0]["action"] == "rollback"


def test_rollback_needs_no_evidence_and_no_approval(world: Any) -> None:
    world.apply()
    first = world.judged()
    world.be("person_d").call("release.approve", {"release": first, "environment": "prod"})
    world.promote(first)
    world.edit("prompts/answer.md", "shortly", "briefly")
    second = world.judged()
    world.be("person_d").call("release.approve", {"release": second, "environment": "prod"})
    world.promote(second)
    world.clock.at += 100 * 86_400
    assert world.call("release.rollback", {"environment": "prod"})["release"] == first


def test_rollback_goes_only_where_it_has_been(world: Any) -> None:
    first, second = two(world)
    world.promote(first, "dev")
    with pytest.raises(Conflict, match="served nothing before"):
        world.call("release.rollback", {"environment": "dev"})
    with pytest.raises(NotFound, match="never served"):
        world.call("release.rollback", {"environment": "dev", "to": second})


@pytest.mark.slow
def test_of_two_racing_promoters_one_wins(world: Any, records: Any) -> None:
    """100 races on both databases: exactly one wins, the other gets a conflict."""
    from dataclasses import replace

    world = replace(world, store=replace(world.store, records=records))
    releases = two(world)
    for _ in range(100):
        generation = world.environment("dev")["generation"]
        serving = world.environment("dev")["stable"]
        candidates = [digest for digest in releases if digest != serving] * 2
        outcomes: list[str] = []
        start = threading.Barrier(2)

        def race(digest: str, generation: int = generation, outcomes: list[str] = outcomes, start: Any = start) -> None:
            start.wait()
            try:
                outcomes.append("won" if world.promote(digest, "dev", generation).moved else "stayed")
            except Conflict:
                outcomes.append("conflict")

        threads = [threading.Thread(target=race, args=(digest,)) for digest in candidates[:2]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["conflict", "won"]
        assert world.environment("dev")["generation"] == generation + 1


def test_the_whole_way_on_both_databases(world: Any, records: Any) -> None:
    """Judge, approve, promote, propose weaker rules, agree to them, roll back: the same on SQLite and PostgreSQL."""
    from dataclasses import replace

    world = replace(world, store=replace(world.store, records=records))
    world.apply()
    first = world.judged()
    assert world.gate(first).outcome == "pass"
    world.be("person_d").call("release.approve", {"release": first, "environment": "prod"})
    assert world.promote(first).moved
    world.edit("prompts/answer.md", "one", "two")
    second = world.judged()
    assert world.call("compare", {"a": "prod", "b": second})["suites"][0]["worse"] == 1
    world.be("person_d").call("release.approve", {"release": second, "environment": "prod"})
    assert world.promote(second).previous == first
    assert world.call("release.rollback", {"environment": "prod"})["release"] == first
    assert [move["action"] for move in world.environment()["history"]] == ["rollback", "promote", "promote", "rules"]
