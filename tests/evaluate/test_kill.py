"""P4: an evaluation killed ten times resumes, pays for no recorded call twice, and finds the same evidence."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from sqlalchemy import select
from tests import forked

from headgate import artifacts
from headgate.release import parse_suites
from headgate.store import Records, tables

KILLS, WORKERS, CASES = 10, 8, 100


def suite(count: int) -> str:
    expect = "  expect:\n    - not-contains: nonsense\n"
    return "".join(f"- id: c{index:02}\n  input: question c{index:02}\n{expect}" for index in range(count))


@dataclass(frozen=True)
class Bill:
    """The provider's own account: one line a paid request."""

    url: str
    file: Path

    def requests(self) -> list[str]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [json.loads(line)["request"] for line in lines]


@pytest.fixture
def bill(tmp_path: Path) -> Iterator[Bill]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "bill.jsonl"
    command = [sys.executable, "-m", "headgate.testing.upstream", "--port", str(port), "--bill", str(file)]
    server = subprocess.Popen([*command, "--latency-ms", "150"])
    try:
        _wait_for(f"http://127.0.0.1:{port}/v1/models")
        yield Bill(f"http://127.0.0.1:{port}/v1", file)
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(url: str) -> None:
    for _ in range(200):
        try:
            with urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


@pytest.fixture
def origin() -> Iterator[forked.Origin]:
    with forked.forking("headgate.evaluate", "headgate.release", "headgate.models") as found:
        yield found


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of one release, run by as many processes as are needed."""

    origin: forked.Origin
    world: Any
    pins: str

    def start(self, data: Path) -> forked.Process:
        words = (str(self.world.root), str(data), self.world.create(), self.pins)
        return self.origin.start(forked.FILE, str(Path(__file__).with_name("killable.py")), *words)

    def finish(self, data: Path) -> dict[str, Any]:
        process = self.start(data)
        said = process.communicate()
        assert process.wait() == 0
        return dict(json.loads(said.splitlines()[-1]))


def asked(scenario: str) -> str:
    """What the bill calls the one request of a scenario."""
    messages = [
        {"role": "system", "content": "Answer shortly."},
        {"role": "user", "content": f"question {scenario} one"},
    ]
    return hashlib.sha256(json.dumps(["one", messages], sort_keys=True).encode()).hexdigest()


def recorded(data: Path) -> set[str]:
    """The requests whose responses are in the journal."""
    records = Records(f"sqlite:///{data}/records.db")
    with records.read() as tx:
        rows = tx.all(select(tables.model_call.c.response))
    records.close()
    return {asked(row["response"]["case"].split("/")[2]) for row in rows}


def copy(world: Any, data: Path, pins: list[dict[str, str]]) -> None:
    """Give another data folder the same release and suites."""
    import shutil

    shutil.copytree(Path(world.store.records.url.removeprefix("sqlite:///")).parent, data)
    (data / "spans.db").unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_kills_cost_nothing_that_was_recorded(
    world: Any, bill: Bill, tmp_path: Path, origin: forked.Origin
) -> None:
    provider = f"  bot: {{type: openai, base_url: '{bill.url}', price: {{input: $1, output: $1}}}}"
    lines = (world.root / "headgate.yaml").read_text().splitlines()
    world.write("headgate.yaml", "\n".join([*lines[:3], provider, *lines[4:]]) + "\n")
    world.write("suites/golden.yaml", suite(CASES))
    (world.root / "suites/redteam.yaml").unlink()
    world.edit("headgate.yaml", "suites/redteam", "suites/golden")
    world.create()
    drafts = parse_suites(world.root)
    artifacts.upload(world, drafts)
    pins = [{"path": draft.path, "digest": draft.digest} for draft in drafts]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for data in (killed, whole):
        copy(world, data, pins)
    evaluation = Evaluation(origin, world, json.dumps(pins))
    expected = evaluation.finish(whole)
    unkilled = len(bill.requests())
    assert unkilled == CASES

    chance = random.Random(4)
    known: dict[str, int] = {}
    for _ in range(KILLS):
        enough = len(bill.requests()) + chance.randint(1, 7)
        process = evaluation.start(killed)
        while len(bill.requests()) < enough and process.runs():
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        process.communicate()
        assert process.wait() == -9, "it ended before it could be killed"
        time.sleep(0.3)
        for request in recorded(killed):
            known.setdefault(request, len(bill.requests()))
    resumed = evaluation.finish(killed)

    paid = bill.requests()
    again = {request for request, at in known.items() if request in paid[at:]}
    assert again == set()
    assert len(known) > KILLS
    assert len(paid) - unkilled <= CASES + KILLS * WORKERS
    assert resumed["resumed"] is True
    assert resumed["digest"] == expected["digest"]
    assert resumed["summary"]["suites"] == expected["summary"]["suites"]
