"""A server's life: found by commands, ready soon, moved by promotions, stopped without breaking an answer."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from headgate.platform import live_server

pytestmark = pytest.mark.slow


def test_commands_find_the_server_and_act_through_it(copied: Path, serving: Any, do: Any, wait_for: Any) -> None:
    with serving(copied) as server:
        note = copied / ".headgate" / "server.json"
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        found = live_server(copied / ".headgate" / "server.json")
        assert found is not None
        assert (found.url, found.pid) == (server.url, server.process.pid)
        key = do(copied, "key.create", {"person": "person_a", "role": ["admin"]})["token"]
        assert wait_for(lambda: '"operation":"key.create"' in server.log.read_text())
        assert do(copied, "key.list", {})["keys"], "whoever can read the server's file is still administrator"
        assert do(copied, "key.list", {}, HEADGATE_KEY=key)["keys"][0]["person"] == "person_a"
    assert not note.exists()
    assert live_server(copied / ".headgate" / "server.json") is None
    assert do(copied, "key.list", {})["keys"][0]["person"] == "person_a", "without a server the same runs in process"


def test_a_note_of_a_dead_server_is_ignored(copied: Path, do: Any) -> None:
    note = copied / ".headgate" / "server.json"
    note.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "x", "pid": os.getpid()}))
    assert do(copied, "key.list", {})["keys"] == []


def test_a_promotion_is_served_at_once_and_a_rollback_too(copied: Path, serving: Any, do: Any) -> None:
    with serving(copied) as server:
        rows = do(copied, "release.list", {"app": "support"})["releases"]
        new, old = rows[0]["digest"], rows[1]["digest"]

        def served() -> str:
            return str(server.request("POST", "/v1/chat/completions", server.chat())[2]["x-headgate-release"])

        assert served() == old
        do(copied, "release.promote", {"release": new, "environment": "prod"})
        began = time.monotonic()
        while served() != new:
            assert time.monotonic() - began < 2
        do(copied, "release.rollback", {"environment": "prod", "app": "support"})
        began = time.monotonic()
        while served() != old:
            assert time.monotonic() - began < 2


def test_a_second_server_of_the_same_folder_is_refused(copied: Path, serving: Any) -> None:
    import subprocess
    import sys

    with serving(copied):
        command = [sys.executable, "-m", "headgate", "serve", "--port", "0", "--project", str(copied)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
        second = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30)
    assert second.returncode == 4
    assert second.stderr.startswith("error: ")
    assert "Traceback" not in second.stderr


def test_a_stop_lets_running_answers_end(copied: Path, serving: Any, lab: Any, behave: Any, wait_for: Any) -> None:
    with serving(copied) as server:
        behave("drip", 1)
        found: list[Any] = []
        before = lab[1].active
        asking = threading.Thread(
            target=lambda: found.append(server.request("POST", "/v1/chat/completions", server.chat(stream=True)))
        )
        asking.start()
        assert wait_for(lambda: lab[1].active > before)
        server.process.send_signal(signal.SIGTERM)
        asking.join(20)
        assert found
        assert found[0][1].endswith("data: [DONE]\n\n")
        assert "30 days" in "".join(
            json.loads(line[6:])["choices"][0]["delta"].get("content", "")
            for line in found[0][1].split("\n\n")
            if line.startswith("data: {") and json.loads(line[6:])["choices"]
        )
        assert server.process.wait(10) == 0


def test_a_server_is_ready_soon(copied: Path, serving: Any) -> None:
    """Measured in turn with a Python that only imports the libraries, which took 0.28 s where nothing else ran: a
    server may take seven times as long, 2 s there, and a busy machine slows both. The best of three counts."""
    ratios = []
    for _ in range(3):
        began = time.monotonic()
        with serving(copied) as server:
            assert server.request("GET", "/readyz")[0] == 200
            ready = time.monotonic()
        imports = time.monotonic()
        subprocess.run([sys.executable, "-c", "import sqlalchemy, pydantic, msgspec, numpy"], check=True)
        ratios.append((ready - began) / (time.monotonic() - imports))
    assert min(ratios) <= 7.0, ratios


def test_an_unfinished_job_is_done_by_the_next_server(copied: Path, serving: Any, do: Any, wait_for: Any) -> None:
    from headgate.kernel import Principal
    from headgate.platform import open_project, read_settings

    release = do(copied, "release.list", {"app": "support"})["releases"][0]["digest"]
    embedded = open_project(copied, read_settings({}))
    who = Principal("person_a", "acme", frozenset({"admin"}))
    job = embedded.performer.perform(who, "evidence.run", {"release": release, "suites": []})["job"]
    embedded.close()
    with serving(copied) as server:
        path = f"/api/job/show?job_id={job}"
        shown = wait_for(lambda: (found := server.request("GET", path)[1])["state"] in ("done", "failed") and found, 15)
    assert shown["state"] == "done", shown


def test_an_interrupted_evaluation_says_how_to_go_on_and_does(
    copied: Path, lab: Any, behave: Any, wait_for: Any
) -> None:
    behave("stall", 1)
    before = lab[1].requests
    command = [sys.executable, "-m", "headgate", "eval", "--app", "support", "--project", str(copied)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean)
    assert wait_for(lambda: lab[1].requests > before, 15)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 1
    assert "run the same command again" in said
    assert "Traceback" not in said
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, env=clean, timeout=60)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["resumed"] is True
    assert json.loads(again.stdout)["summary"]["suites"]["suites/golden"]["pass"] == 1
