"""Jobs done: results, errors, leases that go to somebody else, interruptions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from headgate.kernel import Conflict, HeadgateError, NotFound, Principal
from headgate.platform import Clerk, Performer, Worker
from headgate.platform import jobs as worker_module
from headgate.platform.target import Target
from headgate.store import Store, Work, jobs
from headgate.testing import FakeClock

ADMIN = Principal("person_a", "acme", frozenset({"admin"}))
ASKED = {"release": "sha256:" + "a" * 64, "suites": []}


class Asked(BaseModel):
    model_config = ConfigDict(extra="allow")


class Done(BaseModel):
    steps: int


Handler = Callable[[Work, Asked], Done]


@pytest.fixture
def worker(store: Store, clock: FakeClock) -> Worker:
    return Worker(store, clock, dict)


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Callable[[Handler], None]:
    def use(handler: Handler) -> None:
        monkeypatch.setattr(worker_module, "resolve", lambda row: Target(handler, Asked, Done))

    return use


@pytest.fixture
def job(store: Store, clock: FakeClock) -> str:
    return str(Performer(store, clock, {}).perform(ADMIN, "evidence.run", ASKED)["job"])


def row_of(store: Store, job: str) -> Any:
    with store.records.read() as tx:
        return jobs.get(tx, "acme", job)


def quiet(text: str, done: int, total: int) -> None:
    pass


def test_a_job_is_done_and_its_result_kept(worker: Worker, handle: Any, job: str, store: Store) -> None:
    def handler(work: Work, asked: Asked) -> Done:
        assert work.principal.person == "person_a"
        assert work.job_id == job
        return Done(steps=3)

    handle(handler)
    assert worker.finish("acme", job, quiet) == {"steps": 3}
    assert row_of(store, job).state == "done"


def test_progress_reaches_who_watches_and_the_row(worker: Worker, handle: Any, job: str, store: Store) -> None:
    said: list[tuple[str, int, int]] = []

    def handler(work: Work, asked: Asked) -> Done:
        work.progress("cases", 1, 2)
        deadline = time.monotonic() + 5
        while row_of(store, job).progress is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return Done(steps=1)

    handle(handler)
    worker.finish("acme", job, lambda *given: said.append(given))
    assert said == [("cases", 1, 2)]
    assert row_of(store, job).progress == {"text": "cases", "done": 1, "total": 2}


def test_an_error_is_the_same_for_who_waits(worker: Worker, handle: Any, job: str) -> None:
    def handler(work: Work, asked: Asked) -> Done:
        raise NotFound("no such release", "make one")

    handle(handler)
    with pytest.raises(NotFound) as caught:
        worker.finish("acme", job, quiet)
    assert caught.value.hint == "make one"


def test_a_defect_ends_the_job_and_says_so(worker: Worker, handle: Any, job: str, store: Store) -> None:
    def handler(work: Work, asked: Asked) -> Done:
        raise ZeroDivisionError("oops")

    handle(handler)
    with pytest.raises(HeadgateError, match="ZeroDivisionError"):
        worker.finish("acme", job, quiet)
    assert row_of(store, job).state == "failed"


def test_an_interrupted_job_says_how_to_go_on(worker: Worker, handle: Any, job: str, store: Store) -> None:
    def handler(work: Work, asked: Asked) -> Done:
        raise KeyboardInterrupt

    handle(handler)
    with pytest.raises(KeyboardInterrupt):
        worker.finish("acme", job, quiet)
    assert "run the same command again" in row_of(store, job).error["hint"]


def test_a_job_that_became_somebody_elses_is_left_alone(
    worker: Worker, handle: Any, job: str, store: Store, clock: FakeClock
) -> None:
    def handler(work: Work, asked: Asked) -> Done:
        clock.advance(3600)
        with store.records.begin() as tx:
            assert jobs.claim(tx, "acme", owner="elsewhere:1:1", now=clock.now(), lease_s=60, id=job)
        return Done(steps=1)

    handle(handler)
    row = worker.claim("acme", job)
    assert row is not None
    worker.run(row)
    assert row_of(store, job).state == "running"
    assert row_of(store, job).owner == "elsewhere:1:1"


def test_a_stopping_server_leaves_its_job_to_the_next(worker: Worker, handle: Any, job: str, store: Store) -> None:
    def handler(work: Work, asked: Asked) -> Done:
        worker.stopping.set()
        work.progress("cases", 1, 2)
        return Done(steps=1)

    handle(handler)
    row = worker.claim("acme", job)
    assert row is not None
    worker.run(row)
    assert row_of(store, job).state == "running"
    elsewhere = Worker(store, worker.clock, dict, owner="elsewhere:1:1")
    taken = elsewhere.claim("acme", job)
    assert taken is not None, "at once, also on another machine"
    assert taken.token == row.token + 1


@pytest.mark.parametrize("problem", [Conflict("busy"), ValueError("cut short")], ids=["an error of ours", "any other"])
def test_what_breaks_while_a_server_stops_is_not_held_against_its_job(
    worker: Worker, handle: Any, job: str, store: Store, problem: Exception
) -> None:
    """Half-closed services make handlers fail; the next one runs the job, instead of reading of its failure."""

    def handler(work: Work, asked: Asked) -> Done:
        worker.stopping.set()
        raise problem

    handle(handler)
    row = worker.claim("acme", job)
    assert row is not None
    worker.run(row)
    if isinstance(problem, HeadgateError):
        assert row_of(store, job).state == "failed", "what an operation says of itself holds at any time"
    else:
        assert Worker(store, worker.clock, dict, owner="elsewhere:1:1").claim("acme", job) is not None


def test_a_job_that_somebody_else_took_is_not_given_away(
    worker: Worker, handle: Any, job: str, store: Store, clock: FakeClock
) -> None:
    def handler(work: Work, asked: Asked) -> Done:
        clock.advance(worker_module.LEASE_S + 1)
        assert Worker(store, clock, dict, owner="elsewhere:1:1").claim("acme", job) is not None
        worker.stopping.set()
        work.progress("cases", 1, 2)
        return Done(steps=1)

    handle(handler)
    row = worker.claim("acme", job)
    assert row is not None
    worker.run(row)
    assert Worker(store, clock, dict, owner="third:1:1").claim("acme", job) is None
    assert row_of(store, job).owner == "elsewhere:1:1"


def test_the_clerk_does_jobs_and_minutes_until_told_to_stop(
    worker: Worker, handle: Any, job: str, store: Store
) -> None:
    minutes: list[int] = []

    def minutely() -> None:
        minutes.append(1)
        raise Conflict("busy") if len(minutes) == 1 else ValueError("broken monitor")

    handle(lambda work, asked: Done(steps=1))
    clerk = Clerk(worker, minutely, period_s=0.02)
    clerk.start()
    deadline = time.monotonic() + 5
    while (row_of(store, job).state != "done" or len(minutes) < 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    clerk.stop()
    assert row_of(store, job).state == "done"
    assert len(minutes) >= 3, "an error of one minute does not end the next"
