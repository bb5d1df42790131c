"""A company's installation from the first command to an answer: PostgreSQL, a bucket, and a second machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def environment(place: Any, postgres_url: str, tmp_path: Path) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "AWS_"))}
    rest = {"HEADGATE_DATABASE": postgres_url, "HEADGATE_SPANS": postgres_url}
    return {**plain, **rest, **place.environment, "HEADGATE_SECRET_FILE": str(tmp_path / "secret")}


def headgate(environment: Mapping[str, str], folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """Run a command in a folder as people do, and return what it prints with --json."""
    done = subprocess.run(
        [sys.executable, "-m", "headgate", *words, "--json"],
        cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == code, f"{words}: {done.returncode} {done.stdout[-2000:]} {done.stderr[-2000:]}"
    assert environment["AWS_SECRET_ACCESS_KEY"] not in done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def serving(environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "headgate", "serve", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split("serves on ")[1].split()[0]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
        process.stdout.close()


def asked(url: str, question: str) -> tuple[str, str]:
    """Return the release and the text of an answer."""
    body = {"model": "support@dev", "messages": [{"role": "user", "content": question}]}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = json.load(answer)["choices"][0]["message"]["content"]
        return answer.headers["x-headgate-release"], text


def test_the_whole_way_on_postgresql_and_a_bucket(environment: dict[str, str], tmp_path: Path, s3: str) -> None:
    headgate(environment, tmp_path, "init", "support", "--template", "support")
    first = tmp_path / "support"
    [blobs] = [found for found in headgate(environment, first, "doctor")["findings"] if found["name"] == "blobs"]
    assert blobs["ok"] is True
    assert "s3://models" in blobs["found"]
    headgate(environment, first, "data", "add", "data/utterances")
    headgate(environment, first, "train", "models/router")
    release = headgate(environment, first, "release", "create")["digest"]
    headgate(environment, first, "eval", release)
    headgate(environment, first, "environment", "apply")
    assert headgate(environment, first, "release", "promote", release, "dev")["moved"]
    assert not (first / ".headgate" / "blobs").exists(), "nothing of it rests on this machine"
    assert not list((first / ".headgate").glob("*.db"))
    question = "How many days do I have to send a device back?"
    with serving(environment, first) as url:
        assert asked(url, question)[0] == release
        second = tmp_path / "elsewhere"
        second.mkdir()
        shutil.copy(first / "headgate.yaml", second)
        with serving(environment, second) as other:
            digest, text = asked(other, question)
            assert digest == release
            assert text == asked(url, question)[1]
    traces = headgate(environment, second, "trace", "list", "--source", "live")["traces"]
    assert len(traces) == 3


def test_doctor_tells_what_is_wrong_with_a_bucket(environment: dict[str, str], tmp_path: Path) -> None:
    headgate(environment, tmp_path, "init", "support", "--template", "support")
    for change, said in (
        ({"HEADGATE_BLOBS": "s3://absent/x"}, "there is no bucket absent"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "cannot be reached"),
        ({"HEADGATE_BLOBS": "s3://key:secret@models/x"}, "keys do not belong"),
        ({"HEADGATE_BLOBS": f"{tmp_path}/blobs"}, "in a folder of this machine"),
    ):
        found = headgate(environment | change, tmp_path / "support", "doctor", code=1 if "folder" not in said else 0)
        [blobs] = [one for one in found["findings"] if one["name"] == "blobs"]
        assert said in blobs["found"]
        assert blobs["hint"]
