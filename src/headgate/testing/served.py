"""A server started as people start it, and operations run as commands run them; for tests and benchmarks."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headgate.platform import plain_environment, read_settings, run_operation

QUESTION = "Within how many days can I return a device?"


def do(root: Path, operation: str, request: Mapping[str, Any], **environment: str) -> dict[str, Any]:
    """Run an operation as a command would, in the project at `root`."""
    result: dict[str, Any] = run_operation(operation, request, root, read_settings(environment), _quiet)
    return result


def _quiet(text: str, done: int = 0, total: int = 0) -> None:
    """Report to nobody."""


@dataclass
class Served:
    """A running server: `headgate serve` as people start it."""

    root: Path
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def request(
        self, method: str, path: str, body: Any = None, *, key: str = "", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send one request and return status, JSON (or text) and headers in lower case."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"authorization": f"Bearer {key}"} if key else {}
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, raw, {"content-type": "application/json", **sent, **(headers or {})})
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, json.loads(text) if "json" in found.get("content-type", "") else text, found

    def raw(self) -> socket.socket:
        """Open a bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def chat(self, text: str = QUESTION, model: str = "support", **more: Any) -> dict[str, Any]:
        """Return the body of a chat of one question."""
        return {"model": model, "messages": [{"role": "user", "content": text}], **more}


@contextmanager
def serving(root: Path, **environment: str) -> Iterator[Served]:
    """Run `headgate serve --port 0` and stop it with SIGTERM."""
    log = root / ".headgate" / "server.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "headgate", "serve", "--port", "0", "--project", str(root)],
            stdout=subprocess.PIPE, stderr=stderr, env=plain_environment(**environment),
        )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.readline().decode()
    if "http://" not in said:
        process.stdout.close()
        process.wait(40)
        raise AssertionError(f"the server did not start: {said} {log.read_text()[-3000:]}")
    url = said.split("serves on ")[1].split()[0]
    try:
        yield Served(root, url, process, log)
    finally:
        died = process.poll()
        if died is None:
            process.send_signal(signal.SIGTERM)
            process.wait(40)
        assert died in (None, 0), f"the server died ({died}): {log.read_text()[-3000:]}"
        assert process.returncode == 0, f"the server ended badly: {log.read_text()[-3000:]}"
        process.stdout.close()
