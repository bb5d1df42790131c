"""P26: a job has one owner at a time; a dead owner's job is taken over at once; a stale token can do nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter

import pytest

from headgate.kernel import NotFound
from headgate.store import JobRow, Records, jobs

NOW = 1_000.0


def enqueue(records: Records, name: str = "j1", project: str = "acme", now: float = NOW) -> None:
    with records.begin() as tx:
        jobs.enqueue(
            tx, project, id=name, operation="evidence.run", arguments={"release": "r"}, person="person_a", now=now
        )


def claim(
    records: Records, owner: str = "elsewhere:1:1", now: float = NOW, lease_s: float = 30, id: str | None = None
) -> JobRow | None:
    with records.begin() as tx:
        return jobs.claim(tx, "acme", owner=owner, now=now, lease_s=lease_s, id=id)


def owner_that_died() -> str:
    script = "from headgate.store import jobs; print(jobs.owner_name())"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_a_job_lives_its_life(records: Records) -> None:
    enqueue(records)
    taken = claim(records)
    assert taken is not None
    assert (taken.state, taken.attempts, taken.token, taken.lease_until) == ("running", 1, 1, NOW + 30)
    assert (taken.operation, taken.arguments, taken.person) == ("evidence.run", {"release": "r"}, "person_a")
    with records.begin() as tx:
        assert jobs.heartbeat(tx, taken.id, taken.token, now=NOW, lease_s=60, progress={"done": 3})
        assert jobs.finish(tx, taken.id, taken.token, {"ok": True}, NOW)
        assert not jobs.heartbeat(tx, taken.id, taken.token, now=NOW, lease_s=60)
    with records.read() as tx:
        ended = jobs.get(tx, "acme", "j1")
    assert (ended.state, ended.result, ended.progress) == ("done", {"ok": True}, {"done": 3})
    assert claim(records) is None


def test_a_failed_job_keeps_its_error(records: Records) -> None:
    enqueue(records)
    taken = claim(records)
    assert taken is not None
    with records.begin() as tx:
        assert jobs.fail(tx, taken.id, taken.token, {"code": "unavailable"})
    with records.read() as tx:
        ended = jobs.get(tx, "acme", "j1")
    assert (ended.state, ended.error) == ("failed", {"code": "unavailable"})
    assert jobs.abandoned(ended, NOW)


def test_a_job_of_another_project_is_not_seen(records: Records) -> None:
    enqueue(records, project="other")
    assert claim(records) is None
    with records.read() as tx, pytest.raises(NotFound):
        jobs.get(tx, "acme", "j1")
    with records.begin() as tx:
        taken = jobs.claim(tx, None, owner="elsewhere:1:1", now=NOW, lease_s=1)
    assert taken is not None
    assert taken.project == "other"


def test_the_oldest_is_taken_first_and_one_can_be_asked_for(records: Records) -> None:
    for name, now in (("young", NOW + 2), ("old", NOW), ("middle", NOW + 1)):
        enqueue(records, name, now=now)
    assert [row.id for row in (claim(records, id="middle"), claim(records), claim(records)) if row] == [
        "middle", "old", "young",
    ]  # fmt: skip
    assert claim(records, id="middle") is None


def test_a_lease_that_ended_is_taken_over_and_the_old_owner_can_do_nothing(records: Records) -> None:
    enqueue(records)
    first = claim(records)
    assert first is not None
    assert claim(records, "elsewhere:2:2", NOW + 29) is None
    assert not jobs.abandoned(first, NOW + 29)
    assert jobs.abandoned(first, NOW + 30)
    second = claim(records, "elsewhere:2:2", NOW + 31)
    assert second is not None
    assert second.token == 2
    with records.begin() as tx:
        assert not jobs.heartbeat(tx, "j1", first.token, now=NOW, lease_s=30)
        assert not jobs.finish(tx, "j1", first.token, {})
        assert not jobs.fail(tx, "j1", first.token, {})
        assert jobs.finish(tx, "j1", second.token, {})


def test_a_heartbeat_keeps_the_job(records: Records) -> None:
    enqueue(records)
    taken = claim(records)
    assert taken is not None
    with records.begin() as tx:
        assert jobs.heartbeat(tx, "j1", taken.token, now=NOW + 20, lease_s=30)
    assert claim(records, "elsewhere:2:2", NOW + 49) is None
    assert claim(records, "elsewhere:2:2", NOW + 50) is not None


def test_a_dead_process_of_this_host_loses_its_job_at_once_even_behind_a_queue(records: Records) -> None:
    enqueue(records)
    taken = claim(records, owner_that_died(), lease_s=3600)
    assert taken is not None
    assert jobs.abandoned(taken, NOW)
    with records.begin() as tx:
        for number in range(60):
            jobs.enqueue(tx, "acme", id=f"q{number}", operation="x", arguments={}, person="person_a", now=NOW - 1)
    again = claim(records, jobs.owner_name())
    assert again is not None
    assert (again.id, again.attempts, again.token) == ("j1", 2, 2)
    assert not jobs.abandoned(again, NOW)


def test_a_living_process_and_another_host_are_never_called_dead(records: Records) -> None:
    enqueue(records, "mine")
    assert claim(records, jobs.owner_name(), lease_s=3600) is not None
    enqueue(records, "theirs")
    host = jobs.owner_name().rpartition(":")[0].rpartition(":")[0]
    assert claim(records, f"{host}x:999999:1", lease_s=3600) is not None
    assert claim(records) is None


def test_many_running_jobs_do_not_hide_a_queued_one(records: Records) -> None:
    with records.begin() as tx:
        for number in range(60):
            jobs.enqueue(tx, "acme", id=f"r{number}", operation="x", arguments={}, person="person_a", now=NOW - 1)
            assert jobs.claim(tx, "acme", owner="elsewhere:1:1", now=NOW, lease_s=3600) is not None
    enqueue(records, "queued")
    taken = claim(records)
    assert taken is not None
    assert taken.id == "queued"


def test_many_claimers_never_share_a_job(records: Records) -> None:
    """Jobs whose leases end all the time are claimed by eight at once: every (job, token) has exactly one owner."""
    for number in range(12):
        enqueue(records, f"j{number}")
    won: list[tuple[str, int]] = []

    def work(number: int) -> None:
        for turn in range(6):
            taken = claim(records, f"elsewhere:{number}:1", NOW + turn, lease_s=0.5)
            if taken is not None:
                won.append((taken.id, taken.token))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) > 12
    assert set(Counter(won).values()) == {1}


def test_work_whose_enqueuing_was_rolled_back_never_exists(records: Records) -> None:
    def fail() -> None:
        with records.begin() as tx:
            jobs.enqueue(tx, "acme", id="j1", operation="x", arguments={}, person="person_a", now=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert claim(records) is None
