"""P26: a job has one owner at a time; a dead owner's job is taken over; a stale token can do nothing."""

from __future__ import annotations

import subprocess
import sys
import threading

from headgate.store import Records, jobs

NOW = 1_000.0


def enqueue(records: Records, name: str = "j1") -> None:
    with records.begin() as tx:
        jobs.enqueue(tx, "acme", jobs.NewJob(name, "evidence.run", {"release": "r"}, "ada"), NOW)


def claim(records: Records, owner: str, now: float = NOW, lease_s: float = 30) -> jobs.JobRow | None:
    with records.begin() as tx:
        return jobs.claim(tx, "acme", owner=owner, now=now, lease_s=lease_s)


def test_a_job_lives_its_life(records: Records) -> None:
    enqueue(records)
    taken = claim(records, "elsewhere:1:1")
    assert taken is not None
    assert (taken.state, taken.attempts, taken.token) == ("running", 1, 1)
    with records.begin() as tx:
        assert jobs.heartbeat(tx, taken.id, taken.token, now=NOW, lease_s=60, progress={"done": 3})
        assert jobs.finish(tx, taken.id, taken.token, {"ok": True}, NOW)
    with records.read() as tx:
        ended = jobs.get(tx, "acme", "j1")
    assert (ended.state, ended.result, ended.progress) == ("done", {"ok": True}, {"done": 3})
    assert claim(records, "elsewhere:1:1") is None


def test_a_lease_that_ended_is_taken_over_and_the_old_owner_can_do_nothing(records: Records) -> None:
    enqueue(records)
    first = claim(records, "elsewhere:1:1")
    assert first is not None
    assert claim(records, "elsewhere:2:2", NOW + 29) is None
    second = claim(records, "elsewhere:2:2", NOW + 31)
    assert second is not None
    assert second.token == 2
    with records.begin() as tx:
        assert not jobs.heartbeat(tx, "j1", first.token, now=NOW, lease_s=30)
        assert not jobs.finish(tx, "j1", first.token, {})
        assert not jobs.fail(tx, "j1", first.token, {})
        assert jobs.finish(tx, "j1", second.token, {})


def test_a_dead_process_of_this_host_loses_its_job_at_once(records: Records) -> None:
    enqueue(records)
    script = "from headgate.store import jobs; print(jobs.owner_name())"
    owner = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert claim(records, owner, lease_s=3600) is not None
    taken = claim(records, jobs.owner_name())
    assert taken is not None
    assert taken.attempts == 2
    assert claim(records, "elsewhere:1:1") is None


def test_many_claimers_never_share_a_job(records: Records) -> None:
    for number in range(12):
        enqueue(records, f"j{number}")
    won: list[str] = []

    def work(number: int) -> None:
        while (taken := claim(records, f"elsewhere:{number}:1")) is not None:
            won.append(taken.id)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == sorted(f"j{number}" for number in range(12))
