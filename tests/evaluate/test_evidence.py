"""Evidence: per case on disk, the same digest whenever the same was found, resumed without paying twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from headgate.evaluate import Evaluate, EvidenceResult, SuitePin, cases_of, run
from headgate.kernel import NotFound
from headgate.models import Providers
from headgate.release import parse_suites
from headgate.store import tables


def pins(world: Any) -> tuple[SuitePin, ...]:
    return tuple(SuitePin(path=draft.path, digest=draft.digest) for draft in parse_suites(world.root))


def run_again(world: Any, job_id: str = "") -> tuple[EvidenceResult, Any]:
    """Run the evidence of what is built now; returns the result and the scripted provider that was asked."""
    digest = world.create()
    from headgate import artifacts

    artifacts.upload(world, parse_suites(world.root))
    work = world.work(job_id)
    result = run(work, Evaluate(release=digest, suites=pins(world)))
    return result, work.service(Providers).get("bot")


def test_every_case_is_stored_with_its_scores(world: Any) -> None:
    result, bot = run_again(world)
    assert result.summary["suites"]["suites/golden"] | {"digest": ""} == {
        "digest": "", "cases": 40, "pass": 40, "fail": 0, "review": 0, "error": 0,
    }  # fmt: skip
    assert len(bot.calls) == 76
    with world.store.records.read() as tx:
        cases = cases_of(tx, "acme-support", result.evidence)
    assert len(cases) == 76
    assert cases[0].answer["text"] == "You have 30 days."
    assert cases[0].scores[0]["passed"] is True


def test_the_digest_is_of_what_was_found_not_of_when(world: Any) -> None:
    first, _ = run_again(world)
    world.clock.at += 1000
    second, _ = run_again(world)
    assert first.digest == second.digest
    assert first.evidence != second.evidence
    world.edit("headgate.yaml", '"*": "You have 30 days."', '"*": "You have 31 days."')
    third, _ = run_again(world)
    assert third.digest != first.digest


def kill_after(world: Any, result: EvidenceResult, cases: int) -> None:
    """Put the records into the state that a kill leaves behind: some cases stored, all calls in the journal."""
    with world.store.records.begin() as tx:
        kept = [case.scenario for case in cases_of(tx, "acme-support", result.evidence)][:cases]
        table = tables.case_result
        tx.execute(delete(table).where(table.c.evidence_id == result.evidence, table.c.scenario.not_in(kept)))
        values: dict[str, Any] = {"state": "running", "digest": None, "summary": {}, "finished_at": None}
        tx.execute(update(tables.evidence).where(tables.evidence.c.id == result.evidence).values(**values))


def test_a_killed_run_is_continued_and_pays_for_nothing_twice(world: Any) -> None:
    whole, _ = run_again(world, "job_a")
    kill_after(world, whole, 20)
    resumed, bot = run_again(world, "job_a")
    assert (resumed.evidence, resumed.resumed) == (whole.evidence, True)
    assert resumed.digest == whole.digest
    assert bot.calls == []
    assert resumed.summary["reused_calls"] > 0
    assert resumed.summary["latency"]["n"] == 76 - resumed.summary["reused_calls"]


def test_lost_journal_entries_are_the_only_calls_made_again(world: Any) -> None:
    whole, _ = run_again(world, "job_a")
    kill_after(world, whole, 20)
    with world.store.records.begin() as tx:
        keys = [row["key"] for row in tx.all(select(tables.model_call.c.key))]
        case_keys = keys[-3:]
        tx.execute(delete(tables.model_call).where(tables.model_call.c.key.in_(case_keys)))
    resumed, bot = run_again(world, "job_a")
    assert len(bot.calls) <= 3
    assert resumed.digest == whole.digest


def test_another_exam_is_another_evidence(world: Any) -> None:
    whole, _ = run_again(world, "job_a")
    kill_after(world, whole, 20)
    world.edit("suites/golden.yaml", "question c09", "question number c09")
    other, bot = run_again(world, "job_a")
    assert (other.resumed, len(bot.calls)) == (False, 76)


def test_a_run_that_somebody_works_on_is_left_alone(world: Any) -> None:
    from headgate.store import jobs

    with world.store.records.begin() as tx:
        new = {"operation": "evidence.run", "arguments": {}, "person": "person_d", "now": world.clock.at}
        jobs.enqueue(tx, "acme-support", id="job_b", **new)
        jobs.claim(tx, "acme-support", owner="elsewhere:1:1", now=world.clock.at, lease_s=60, id="job_b")
    whole, _ = run_again(world, "job_b")
    kill_after(world, whole, 20)
    other, _ = run_again(world, "job_c")
    assert not other.resumed
    kill_after(world, whole, 20)
    world.clock.at += 61
    taken, _ = run_again(world, "job_d")
    assert (taken.resumed, taken.evidence) == (True, whole.evidence)


def test_a_failed_provider_is_an_error_and_the_fallback_is_journaled(world: Any) -> None:
    world.edit("headgate.yaml", "bot: {type: scripted,", "bot: {type: scripted, failures: 1000000,")
    result, _ = run_again(world)
    counts = result.summary["suites"]["suites/golden"]
    assert counts["pass"] == 0
    assert counts["fail"] + counts["error"] == 40


def test_a_journal_that_cannot_write_stops_the_run(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from headgate.evaluate import journal

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(journal.Journal, "_insert", full)
    with pytest.raises(OSError, match="no space left"):
        run_again(world)
    with world.store.records.read() as tx:
        [row] = tx.all(select(tables.evidence))
        assert (row["state"], row["digest"]) == ("failed", None)
        assert tx.all(select(tables.case_result)) == []


def test_what_is_not_registered_cannot_be_judged(world: Any) -> None:
    with pytest.raises(NotFound, match="release create"):
        run(world.work(), Evaluate(release="sha256:" + "0" * 64, suites=()))


def test_evidence_is_shown_by_release(world: Any) -> None:
    world.edit("headgate.yaml", '"c07 two"', '"c07 one"')
    result, _ = run_again(world)
    shown = world.call("evidence.show", {"name": result.release[:20]})
    assert [case["scenario"] for case in shown["cases"]] == ["c07"]
    assert shown["cases"][0]["answer"] == "I cannot say."


def test_calls_that_finish_together_share_a_commit(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from headgate.evaluate.journal import Journal

    commits: list[int] = []
    insert = Journal._insert

    def counted(self: Journal, rows: list[dict[str, Any]]) -> None:
        commits.append(len(rows))
        insert(self, rows)

    monkeypatch.setattr(Journal, "_insert", counted)
    journal = Journal(world.store.records, "acme-support", "ev_1", world.clock)

    async def many() -> None:
        await asyncio.gather(*(journal.record(f"k{i}", {"text": ""}, 0) for i in range(50)))

    asyncio.run(many())
    assert sum(commits) == 50
    assert len(commits) <= 3
