"""`headgate serve --workers N`: one address, several processes. Some die, all follow a promotion, and stop well."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.gateways import Load, Project, Seen, Server, serving

from headgate.platform import live_server
from headgate.store import SpanQuery, Spans

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]
WORKERS = 3


@pytest.fixture
def project(project: Project) -> Project:
    """The releases of this folder, told to be served by several."""
    project.environment["HEADGATE_WORKERS"] = str(WORKERS)
    return project


@pytest.fixture
def server(project: Project, tmp_path: Path) -> Iterator[Server]:
    """A group of this test: it may kill, and look at the traces."""
    with serving(project, tmp_path / "workers.log") as found:
        yield found
    assert found.process.returncode == 0


@pytest.fixture(scope="module")
def shared_project(shared_project: Project) -> Project:
    shared_project.environment["HEADGATE_WORKERS"] = str(WORKERS)
    return shared_project


@pytest.fixture(scope="module")
def shared_server(shared_project: Project) -> Iterator[Server]:
    """A group for the tests that kill nothing and end with the release that they began with."""
    with serving(shared_project, shared_project.root / "workers.log") as found:
        yield found
    assert found.process.returncode == 0


def get(server: Server, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def workers(server: Server) -> list[int]:
    """Return the process ids of the living workers."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text(encoding="ascii")
    return [int(pid) for pid in children.split()]


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def answers_by_worker(server: Server) -> dict[str, float]:
    found: Counter[str] = Counter()
    for line in get(server, "/metrics")[1].splitlines():
        if line.startswith("headgate_requests_total{"):
            found[line.partition('worker="')[2].partition('"')[0]] += int(float(line.rpartition(" ")[2]))
    return dict(found)


def test_one_note_one_address_one_scrape(shared_project: Project, shared_server: Server) -> None:
    project, server = shared_project, shared_server
    note = live_server(project.root / ".headgate" / "server.json")
    assert note is not None
    assert note.pid == server.process.pid
    assert project.headgate("environment", "show")["environments"], "a command's token is good for every worker"
    seen = {json.loads(get(server, "/healthz")[1])["worker"] for _ in range(200)}
    assert seen == set(range(WORKERS))
    figures = [line for line in get(server, "/metrics")[1].splitlines() if line.startswith("headgate_worker_up{")]
    assert figures == [f'headgate_worker_up{{worker="{number}"}} 1.0' for number in range(WORKERS)]


def test_a_second_group_on_the_same_address_is_refused(shared_project: Project, shared_server: Server) -> None:
    project, server = shared_project, shared_server
    command = [sys.executable, "-m", "headgate", "serve", "--port", str(server.port), "--project", str(project.root)]
    done = subprocess.run(command, env=project.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{server.port}" in done.stderr
    assert get(server, "/healthz")[0] == 200


def asked_for(seen: Seen, number: int) -> bool:
    return seen.done >= number


async def test_all_follow_a_promotion_within_a_second(shared_project: Project, shared_server: Server) -> None:
    """12 connections, spread over the workers by the system; every answer agrees with the release that it names."""
    project, server = shared_project, shared_server
    old, new = project.names
    load, seen = Load(project.names), {server.port: Seen()}

    def drive() -> list[float]:
        late = []
        for turn in range(6):
            due = 300 * (turn + 1)
            load.wait(partial(asked_for, seen[server.port], due), f"request {due} is answered")
            operation, asked = ("release.rollback", {}) if turn % 2 else ("release.promote", {"release": new})
            server.post(operation, {"environment": "prod", **asked})
            moved = time.monotonic()
            time.sleep(1.5)
            late.append(seen[server.port].last_of[new if turn % 2 else old] - moved)
        return late

    late = await load.during(seen, 12, drive)
    assert seen[server.port].wrong[:3] == []
    assert len(late) == 6
    assert max(late) <= 1.0, late
    assert set(answers_by_worker(server)) == {str(number) for number in range(WORKERS)}


def test_connections_are_spread(shared_server: Server) -> None:
    """As they are over independent choices: of 300, none gets less than half of its share."""
    found = Counter(json.loads(get(shared_server, "/healthz")[1])["worker"] for _ in range(300))
    assert min(found.values()) >= 50, found


def test_a_worker_that_dies_is_replaced_and_costs_nobody_else_anything(server: Server, tmp_path: Path) -> None:
    connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=10) for _ in range(12)]
    held: dict[int, list[http.client.HTTPConnection]] = {}
    for connection in connections:
        connection.request("GET", "/healthz")
        held.setdefault(json.loads(connection.getresponse().read())["worker"], []).append(connection)
    before = workers(server)
    os.kill(before[0], signal.SIGKILL)
    assert wait_for(lambda: len(set(workers(server)) - set(before)) == 1)
    served = 0
    for connection in connections:
        try:
            connection.request("GET", "/healthz")
            served += connection.getresponse().read() != b""
        except (OSError, http.client.HTTPException):
            pass
        connection.close()
    assert served == 12 - min(len(held.get(0, ())), 12), "only those of the one that died are gone"
    assert wait_for(lambda: get(server, "/metrics")[1].count("headgate_worker_up{") == WORKERS)
    assert wait_for(lambda: '"killed by signal 9"' in (tmp_path / "workers.log").read_text())
    assert wait_for(lambda: 'headgate_worker_up{worker="0"} 1.0' in get(server, "/metrics")[1])


def test_one_that_falls_again_and_again_is_given_time(server: Server, tmp_path: Path) -> None:
    def ends() -> list[float]:
        lines = [json.loads(line) for line in (tmp_path / "workers.log").read_text().splitlines()]
        return [line["in_s"] for line in lines if line.get("worker") == 0 and "in_s" in line]

    def fell(times: int) -> bool:
        return len(ends()) >= times

    others = set(workers(server)[1:])
    for fall in range(1, 4):
        assert wait_for(lambda: set(workers(server)) - others, 20)
        os.kill((set(workers(server)) - others).pop(), signal.SIGKILL)
        assert wait_for(partial(fell, fall), 20)
    assert ends() == [0.0, 1.0, 2.0]
    assert get(server, "/healthz")[0] == 200, "nobody is sent to the one that is away"


def test_workers_end_with_the_one_that_leads(project: Project, tmp_path: Path) -> None:
    with serving(project, tmp_path / "orphans.log") as found:
        children = workers(found)
        assert len(children) == WORKERS
        found.process.kill()
        found.process.wait()
        assert wait_for(lambda: not any(alive(pid) for pid in children), 15)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"HEADGATE_DATABASE": ""}, "3 workers need PostgreSQL, and HEADGATE_DATABASE is SQLite"),
        ({"HEADGATE_SPANS": ""}, "3 workers need PostgreSQL, and HEADGATE_SPANS is SQLite"),
        ({"HEADGATE_WORKERS": "many"}, "'many' is no number of workers"),
        ({"HEADGATE_WORKERS": "0"}, "'0' is no number of workers"),
        ({"HEADGATE_DRAIN_DELAY": "soon"}, "HEADGATE_DRAIN_DELAY"),
        ({"HEADGATE_DATABASE": "postgresql://nobody@127.0.0.1:9/none"}, "127.0.0.1:9"),
    ],
    ids=["records", "spans", "no number", "none", "no time", "no database"],
)
def test_a_start_that_fails_says_why_once(project: Project, more: dict[str, str], said: str) -> None:
    command = [sys.executable, "-m", "headgate", "serve", "--port", "0", "--project", str(project.root)]
    done = subprocess.run(command, env=project.environment | more, capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def asking(server: Server, project: Project) -> Iterator[tuple[Seen, Callable[[], None]]]:
    """Ask over 24 connections from another thread until told to stop."""
    load, seen = Load(project.names), Seen()
    thread = threading.Thread(target=lambda: asyncio.run(load.run({server.port: seen}, 24)))

    def stop() -> None:
        load.stopped = True
        thread.join(30)

    thread.start()
    try:
        yield seen, stop
    finally:
        stop()


@pytest.mark.parametrize("from_a_terminal", [False, True], ids=["SIGTERM", "Ctrl-C"])
def test_a_stop_under_load_breaks_no_answer_and_loses_no_trace(
    project: Project, tmp_path: Path, from_a_terminal: bool
) -> None:
    """Clients ask without a pause; who is told `connection: close` stops. Every answer is whole, and recorded."""
    project.environment["HEADGATE_DRAIN_DELAY"] = "1s"
    with serving(project, tmp_path / "drained.log") as server, asking(server, project) as (seen, stop):
        assert wait_for(lambda: seen.done > 2000, 60)
        told = time.monotonic()
        for pid in [*workers(server), server.process.pid] if from_a_terminal else [server.process.pid]:
            os.kill(pid, signal.SIGINT if from_a_terminal else signal.SIGTERM)
        assert server.process.wait(40) == 0
        assert 1.0 <= time.monotonic() - told <= 31
        stop()
    assert seen.wrong == []
    spans = Spans(project.environment["HEADGATE_SPANS"], writer=False)
    try:
        assert len(spans.find(SpanQuery("acme", limit=10**6))) == seen.done
    finally:
        spans.close()
