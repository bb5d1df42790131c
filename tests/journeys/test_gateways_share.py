"""What gateways on one PostgreSQL tell each other: which target is down, and whose job it is (P26)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.http.conftest import FILES

from headgate.store import JobRow, Records, jobs, tables
from headgate.testing.served import Served, do, serving
from headgate.testing.upstream import Upstream, running

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]
CASES = 12


@pytest.fixture
def lab() -> Iterator[tuple[str, Upstream]]:
    with running() as (url, upstream):
        yield url, upstream


@pytest.fixture
def shared(postgres_url: str) -> dict[str, str]:
    return {"HEADGATE_DATABASE": postgres_url, "HEADGATE_SPANS": postgres_url}


@pytest.fixture
def root(tmp_path: Path, lab: tuple[str, Upstream], shared: dict[str, str]) -> Path:
    """A project in PostgreSQL whose app asks the lab first, and has a suite of a dozen questions."""
    folder = tmp_path / "project"
    cases = "".join(
        f"- id: case-{number}\n  input: How long may I return device {number}?\n  expect: [contains: 30 days]\n"
        for number in range(CASES)
    )
    for name, text in {**FILES, "suites/golden.yaml": cases}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text % {"lab": lab[0]} if name == "headgate.yaml" else text, encoding="utf-8")
    do(folder, "environment.apply", {}, **shared)
    made = do(folder, "release.create", {"app": "support"}, **shared)
    do(folder, "release.promote", {"release": made["digest"], "environment": "prod"}, **shared)
    return folder


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def ask(server: Served) -> None:
    status, found, _ = server.request("POST", "/v1/chat/completions", server.chat())
    assert (status, "30 days" in found["choices"][0]["message"]["content"]) == (200, True), found


def breaker(server: Served) -> float:
    lines = server.request("GET", "/metrics")[1].splitlines()
    found = [line for line in lines if line.startswith('headgate_breaker_open{target="lab/stand-in"')]
    return max((float(line.rpartition(" ")[2]) for line in found), default=0.0)


def breaker_after(server: Served) -> float:
    ask(server)
    return breaker(server)


def test_what_one_saw_fail_the_other_leaves_alone(
    root: Path, shared: dict[str, str], lab: tuple[str, Upstream]
) -> None:
    upstream = lab[1]
    with ExitStack() as stack:
        first, second = (stack.enter_context(serving(root, **shared)) for _ in range(2))
        ask(first)
        ask(second)
        assert upstream.requests == 2
        upstream.misbehave("500", 10**9)
        assert wait_for(lambda: breaker_after(first), 60)
        assert wait_for(lambda: breaker(second), 1.0), "told within a second"
        before = upstream.requests
        for _ in range(20):
            ask(second)
        assert upstream.requests - before <= 1, "at most the first one's probe"
        upstream.misbehave("off", 0)
        assert wait_for(lambda: breaker_after(first) + breaker_after(second) == 0, 60)
        before = upstream.requests
        for _ in range(5):
            ask(second)
        assert upstream.requests - before == 5, "asked again as before"


class Job:
    """An evaluation that somebody waits for, seen through the records. owners: by token, while anybody looks."""

    def __init__(self, root: Path, shared: dict[str, str]) -> None:
        self.found: dict[str, Any] = {}
        self.command = threading.Thread(
            target=lambda: self.found.update(do(root, "eval", {"app": "support"}, **shared)), daemon=True
        )
        self.records = Records(shared["HEADGATE_DATABASE"])
        self.owners: dict[int, set[str | None]] = {}
        self.command.start()
        self.id = str(wait_for(self._newest, 30))

    def _newest(self) -> str:
        with self.records.read() as tx:
            row = tx.one(select(tables.job.c.id))
        return "" if row is None else str(row["id"])

    def row(self) -> JobRow:
        with self.records.read() as tx:
            row = jobs.get(tx, "acme", self.id)
        self.owners.setdefault(row.token, set()).add(row.owner)
        return row

    def pid(self) -> int:
        """Return the process that works on it, once it has asked a model."""
        row = wait_for(lambda: (row := self.row()).state == "running" and row.progress and row)
        assert row, self.row()
        return int(row.owner.split(":")[1])

    def close(self) -> None:
        self.records.close()

    def ends(self, seconds: float) -> JobRow:
        row = wait_for(lambda: (row := self.row()).state in ("done", "failed") and row, seconds)
        assert row, self.row()
        self.command.join(30)
        assert self.found["summary"]["suites"]["suites/golden"]["pass"] == CASES
        assert row.state == "done", row.error
        assert all(len(owners) == 1 for owners in self.owners.values()), self.owners
        return row  # type: ignore[no-any-return]


@pytest.fixture
def group(root: Path, shared: dict[str, str], lab: tuple[str, Upstream]) -> Iterator[Served]:
    """Two workers, and a lab that takes its time."""
    lab[1].latency_s = 1.5
    with serving(root, HEADGATE_WORKERS="2", **shared) as found:
        yield found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def test_a_killed_workers_job_is_run_again_by_another(
    root: Path, shared: dict[str, str], group: Served, lab: tuple[str, Upstream], stack: ExitStack
) -> None:
    job = stack.enter_context(closing(Job(root, shared)))
    owner = job.pid()
    asked = lab[1].requests
    os.kill(owner, signal.SIGKILL)
    killed = time.monotonic()
    row = job.ends(60)
    assert time.monotonic() - killed <= 60
    assert (row.attempts, row.token) == (2, 2)
    assert lab[1].requests <= CASES + asked, "what was asked and paid for is asked again at most once"


def test_a_stopped_workers_job_goes_to_another_at_once(
    root: Path, shared: dict[str, str], group: Served, stack: ExitStack
) -> None:
    job = stack.enter_context(closing(Job(root, shared)))
    os.kill(job.pid(), signal.SIGTERM)
    told = time.monotonic()
    assert wait_for(lambda: job.row().token == 2, 15), "long before its lease of 30 s ends"
    assert time.monotonic() - told <= 15
    assert job.ends(60).attempts == 2


def test_an_owner_that_was_frozen_finds_its_job_taken(
    root: Path, shared: dict[str, str], group: Served, stack: ExitStack
) -> None:
    """It wakes up while another runs the job, or after: what it would write is not wanted."""
    job = stack.enter_context(closing(Job(root, shared)))
    owner = job.pid()
    os.kill(owner, signal.SIGSTOP)
    frozen = time.monotonic()
    try:
        assert wait_for(lambda: job.row().token == 2, 60), "taken when the lease ended"
        assert 20 < time.monotonic() - frozen <= 60
    finally:
        os.kill(owner, signal.SIGCONT)
    row = job.ends(60)
    time.sleep(3)
    after = job.row()
    assert (after.attempts, after.token, after.result) == (2, 2, row.result)
