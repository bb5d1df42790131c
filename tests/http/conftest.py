"""A small project, built and promoted for real, and servers of it: one without keys, one where everybody has one."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headgate.platform import read_settings, run_operation
from headgate.testing.upstream import Upstream, running

FILES = {
    "headgate.yaml": """headgate: 1
project: acme
providers:
  local: {type: extractive}
  lab: {type: openai, base_url: "%(lab)s", price: {input: $1, output: $1}}
environments:
  dev: {}
  prod: {}
""",
    "apps/support.yaml": """contract: contracts/support
policy: policies/support
route:
  to:
    default: {llm: main, prompt: prompts/answer, retrieval: retrieval/handbook}
llms:
  main: [lab/stand-in, local/extractive]
fallback: prompts/safe
""",
    "apps/desk.yaml": """contract: contracts/support
route:
  to:
    default: {human: {reply: prompts/safe}}
fallback: prompts/safe
""",
    "contracts/support.yaml": "latency: {p95: 2s}\n",
    "policies/support.yaml": "input:\n  - injection: {action: block, reply: prompts/refuse}\n  - pii: {action: mask}\n",
    "prompts/answer.md": """# system
Answer only from the sources, cite them as [n].
{{ sources }}
# user
{{ question }}
""",
    "prompts/safe.md": "A person will answer you.\n",
    "prompts/refuse.md": "I cannot help with that.\n",
    "retrieval/handbook.yaml": "corpus: [corpus/*.md]\n",
    "corpus/returns.md": "# Returns\n\nYou can return a device within 30 days of delivery. The refund takes 10 days.\n",
    "corpus/bills.md": "# Bills\n\nYour bill is due on the first day of every month.\n",
    "suites/golden.yaml": "- id: returns\n  input: How long may I return a device?\n  expect: [contains: 30 days]\n",
}
QUESTION = "Within how many days can I return a device?"


def quiet(text: str, done: int = 0, total: int = 0) -> None:
    pass


def plain_environment(**more: str) -> dict[str, str]:
    """The environment of a process that shall see no settings of ours but `more`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")} | more


def do(root: Path, operation: str, request: Mapping[str, Any], **environment: str) -> dict[str, Any]:
    """Run an operation as a command would."""
    result: dict[str, Any] = run_operation(operation, request, root, read_settings(environment), quiet)
    return result


@pytest.fixture(scope="session")
def lab() -> Iterator[tuple[str, Upstream]]:
    """A provider on loopback that behaves until told otherwise."""
    with running() as (url, upstream):
        yield url, upstream


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, lab: tuple[str, Upstream]) -> Path:
    """The project with both apps served in prod, and a second release of `support` that is served nowhere."""
    root = tmp_path_factory.mktemp("built") / "project"
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text % {"lab": lab[0]} if name == "headgate.yaml" else text, encoding="utf-8")
    do(root, "environment.apply", {})
    for app in ("support", "desk"):
        made = do(root, "release.create", {"app": app})
        do(root, "release.promote", {"release": made["digest"], "environment": "prod"})
    do(root, "release.promote", {"release": do(root, "release.list", {"app": "support"})["releases"][0]["digest"],
                                 "environment": "dev"})  # fmt: skip
    (root / "prompts/safe.md").write_text("Somebody will answer you.\n", encoding="utf-8")
    do(root, "release.create", {"app": "support"})
    return root


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


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    """A copy of the built project that a test may change."""
    return Path(shutil.copytree(built, tmp_path / "project"))


@pytest.fixture(scope="session")
def server(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server without keys: this machine needs none."""
    with serving(Path(shutil.copytree(built, tmp_path_factory.mktemp("open") / "project"))) as found:
        yield found


ROLES = ("viewer", "app", "engineer", "reviewer", "operator", "admin")


@pytest.fixture(scope="session")
def locked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server where everybody has a key: one person for each role, and a key that may spend next to nothing."""
    root = Path(shutil.copytree(built, tmp_path_factory.mktemp("locked") / "project"))
    keys = {role: do(root, "key.create", {"person": f"p-{role}", "role": [role]})["token"] for role in ROLES}
    poor = do(root, "key.create", {"person": "poor", "role": ["app"], "budget_per_day": "$0.000001"})
    with serving(root) as found:
        found.keys.update(keys, poor=poor["token"])
        yield found


@pytest.fixture
def behave(lab: tuple[str, Upstream]) -> Iterator[Callable[..., None]]:
    """Make the provider fail for a while; afterwards it behaves again."""
    yield lab[1].misbehave
    lab[1].misbehave("off", 0)


def wait_for(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Return the first true value of `condition`, or its last one when the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


@pytest.fixture(name="wait_for")
def _wait_for() -> Callable[..., Any]:
    return wait_for


@pytest.fixture(name="do")
def _do() -> Callable[..., dict[str, Any]]:
    return do


@pytest.fixture(name="serving")
def _serving() -> Callable[..., Any]:
    return serving
