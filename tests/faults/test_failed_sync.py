"""P1: when the disk cannot keep what it was given, the server ends; nothing is acknowledged, nothing is tried again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.gateways import FILES

from headgate.platform import read_settings, run_operation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to make fsync fail"),
]


@contextmanager
def serving(root: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    command = [sys.executable, "-m", "headgate", "serve", "--port", "0", "--project", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean)
    assert process.stdout is not None
    said = process.stdout.readline()
    try:
        yield process, said.split("serves on ")[1].split()[0]
    finally:
        process.kill()
        process.communicate()


@contextmanager
def failing_syncs(pid: int) -> Iterator[None]:
    """Every fsync of a process fails, of all its threads, while this lasts."""
    command = ["strace", "-f", "-qq", "-o", os.devnull, "-p", str(pid), "-e", "trace=fsync,fdatasync"]
    tracer = subprocess.Popen([*command, "-e", "inject=fsync,fdatasync:error=EIO"], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 10
        while f"TracerPid:\t{tracer.pid}" not in Path(f"/proc/{pid}/status").read_text():
            if tracer.poll() is not None or time.monotonic() > deadline:
                pytest.skip("this machine does not let strace attach")
            time.sleep(0.02)
        yield
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=10)


def post(url: str, operation: str, request: dict[str, Any]) -> int:
    import http.client

    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    connection.request("POST", f"/api/{operation}", json.dumps(request), {"content-type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_server_whose_disk_fails_ends_and_acknowledges_nothing(tmp_path: Path) -> None:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("type: echo", "type: scripted"), encoding="utf-8")
    run_operation("environment.apply", {}, tmp_path, read_settings({}), lambda *_: None)
    asked = {"person": "person_a", "role": ["admin"]}
    with serving(tmp_path) as (process, url):
        with failing_syncs(process.pid):
            assert post(url, "key/create", asked) == 503
            process.wait(20)
        assert process.returncode == 1
        assert process.stderr is not None
        assert "the disk failed" in process.stderr.read()
    with serving(tmp_path) as (process, url):
        shown = run_operation("key.list", {"all": True}, tmp_path, read_settings({}), lambda *_: None)
        assert shown["keys"] == [], "what was not acknowledged is not there"
        assert post(url, "key/create", asked) < 300
