"""Two gateways of one project, releases that say their name in every part of an answer, and load that checks each.

Used by the journeys of this folder and by `benchmarks/bench_rollback.py`. Each gateway is `headgate serve` as people
start it; the provider is a stranger's plugin that repeats what it was told, installed for those processes only.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

NAMES = ("aleph", "bet")
QUESTIONS = ("Can a router be returned?", "Can a router be returned within FORBIDDEN days?", "BREAK the router?")
STATUSES = ("answered", "blocked", "safe")
PATIENCE_S = 30.0
FILES = {
    "headgate.yaml": "headgate: 1\nproject: acme\nproviders:\n  bot: {type: echo}\nenvironments:\n  prod: {}\n",
    "apps/support.yaml": """contract: contracts/support
policy: policies/support
route: {to: {default: {llm: main, prompt: prompts/answer, retrieval: retrieval/handbook}}}
llms: {main: [bot/one]}
fallback: prompts/safe
""",
    "contracts/support.yaml": "latency: {p95: 2s}\n",
    "policies/support.yaml": "input:\n  - terms: {action: block, deny: [FORBIDDEN], reply: prompts/refuse}\n",
    "prompts/answer.md": "# system\nYou are rel-NAME.\n\n{{ sources }}\n# user\nAsked of rel-NAME: {{ question }}\n",
    "prompts/safe.md": "A person of rel-NAME will answer you; signed rel-NAME.",
    "prompts/refuse.md": "The rules of rel-NAME forbid it; signed rel-NAME.",
    "retrieval/handbook.yaml": "corpus: [corpus/*.md]\n",
    "corpus/returns.md": "# Returns\n\nA router can be returned within 30 days, says rel-NAME.\n",
}
ECHO = '''"""A provider that repeats its prompt, lets others run between two words, and breaks when told to."""
import asyncio, os
from pydantic import BaseModel
from headgate.kernel import Usage, text_of
from headgate.models import FREE, Delta, End, ProviderError
class Options(BaseModel):
    pass
class Echo:
    name = "bot"
    def identity(self, model):
        return {"type": "echo", "model": model}
    def price(self, model):
        return FREE
    async def chat(self, call):
        said = "\\n".join(text_of(message.get("content")) for message in call.body["messages"])
        await asyncio.sleep(0.002)
        if "BREAK" in said or os.path.exists(os.environ.get("ECHO_DOWN", "/nowhere")):
            raise ProviderError("broken", code="provider_server", retryable=False, upstream_status=500)
        half = len(said) // 2
        for piece in (said[:half], said[half:]):
            yield Delta(piece)
            await asyncio.sleep(0.001)
        yield End("stop", Usage(10, 10), call.model)
    async def close(self):
        pass
class Plugin:
    behaviour = 1
    options = Options
    def build(self, name, options):
        return Echo()
plugin = Plugin()
'''
T = TypeVar("T")
_RELEASE = re.compile(rb"x-headgate-release: ([^\r\n]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_MARK = re.compile(r"\brel-(\w+)\b")


@dataclass
class Project:
    """A project whose two releases are built; `names` maps their digests to what they say of themselves."""

    root: Path
    environment: dict[str, str]
    names: dict[str, str] = field(default_factory=dict)

    def headgate(self, *words: str) -> dict[str, Any]:
        """Run a command as a process of its own and return its JSON."""
        command = [sys.executable, "-m", "headgate", *words, "--json", "--project", str(self.root)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.stdout} {done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def build(folder: Path, settings: Mapping[str, str]) -> Project:
    """Install the echo for processes of this project only, make both releases and serve the first."""
    plugin = folder / "plugin"
    (plugin / "echo_provider-1.dist-info").mkdir(parents=True)
    (plugin / "echo_provider.py").write_text(ECHO, encoding="utf-8")
    info = plugin / "echo_provider-1.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: echo-provider\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[headgate.providers]\necho = echo_provider:plugin\n", encoding="utf-8")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "AWS_"))}
    searched = os.pathsep.join(filter(None, (str(plugin), plain.get("PYTHONPATH"))))
    more = {"PYTHONPATH": searched, "ECHO_DOWN": str(folder / "down"), "HEADGATE_LOG": "warning"}
    project = Project(folder / "project", plain | more | dict(settings))
    for name in NAMES:
        for file, text in FILES.items():
            path = project.root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("NAME", name), encoding="utf-8")
        if not project.names:
            project.headgate("environment", "apply")
        project.names[project.headgate("release", "create")["digest"]] = name
    project.headgate("release", "promote", next(iter(project.names)), "prod")
    return project


def copied(built: Project, folder: Path, settings: Mapping[str, str]) -> Project:
    """Copy a built project into a folder; its database, of which `settings` tell, is the caller's to copy."""
    environment = built.environment | {"ECHO_DOWN": str(folder / "down")} | dict(settings)
    return Project(Path(shutil.copytree(built.root, folder / "project")), environment, dict(built.names))


@dataclass
class Server:
    """A running gateway."""

    process: subprocess.Popen[bytes]
    port: int
    token: str

    def post(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Run an operation here, as a command of this machine would."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"content-type": "application/json", "x-headgate-local": self.token}
        connection.request("POST", f"/api/{operation.replace('.', '/')}", json.dumps(body), headers)
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
        connection.close()
        assert answer.status < 300, found
        return found


@contextmanager
def serving(project: Project, log: Path) -> Iterator[Server]:
    """Run `headgate serve` until it is no longer needed."""
    command = [sys.executable, "-m", "headgate", "serve", "--port", "0", "--project", str(project.root)]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=project.environment)
    assert process.stdout is not None
    try:
        said = process.stdout.readline().decode()
        if "http://" not in said:
            raise AssertionError(f"the gateway did not start: {said} {log.read_text()[-3000:]}")
        notes = [json.loads(note.read_text()) for note in (project.root / ".headgate").glob("server-*.json")]
        note = next(note for note in notes if note["pid"] == process.pid)
        yield Server(process, int(note["port"]), note["token"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)
        process.stdout.close()


@dataclass
class Seen:
    """What a gateway answered. `wrong`: answers that mix releases, or disagree with the release they name."""

    done: int = 0
    by_release: Counter[str] = field(default_factory=Counter)
    by_status: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    last_of: dict[str, float] = field(default_factory=dict)
    """When an answer of a release ended last."""
    serves: str = ""
    """The release of the last answer, and since when its neighbours say the same."""
    since: float = 0.0


class Client(asyncio.Protocol):
    """One kept connection that asks again as soon as it was answered, and checks every answer."""

    def __init__(self, load: Load, seen: Seen, number: int) -> None:
        self.load, self.seen, self.number = load, seen, number
        self.parts: list[bytes] = []
        self.asked = time.monotonic()
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        if self.load.stopped:
            self.transport.close()
            return
        self.number += 1
        self.parts = []
        self.asked = time.monotonic()
        self.transport.write(self.load.requests[self.number % len(self.load.requests)])

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        whole = data if len(self.parts) == 1 else b"".join(self.parts)
        if self.number % len(self.load.requests) in self.load.streamed and not whole.endswith(b"\r\n0\r\n\r\n"):
            if not whole.startswith(b"HTTP/1.1 200"):
                self.fail(whole)
            return
        head, found, body = whole.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or (length and len(body) < int(length[1])):
            return
        self.judge(head, body, streamed=length is None)
        self.send()

    def judge(self, head: bytes, body: bytes, *, streamed: bool) -> None:
        seen, release = self.seen, _RELEASE.search(head)
        if not head.startswith(b"HTTP/1.1 200") or release is None:
            self.fail(head + body)
            return
        digest = release[1].decode()
        said, status = (said_in_stream if streamed else said_whole)(body)
        marks = _MARK.findall(said)
        if len(marks) < 2 or set(marks) != {self.load.names[digest]}:
            seen.wrong.append(f"{self.load.names[digest]}: {said!r}")
        now = seen.last_of[digest] = time.monotonic()
        if digest != seen.serves:
            seen.serves, seen.since = digest, now
        seen.by_release[digest] += 1
        seen.by_status[status] += 1
        seen.done += 1

    def fail(self, found: bytes) -> None:
        self.seen.wrong.append(repr(found[:500]))
        self.load.stopped = True
        self.transport.close()

    def connection_lost(self, problem: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


def said_whole(body: bytes) -> tuple[str, str]:
    found = msgspec.json.decode(body)
    return found["choices"][0]["message"]["content"], found.get("headgate", {}).get("status", "")


def said_in_stream(body: bytes) -> tuple[str, str]:
    parts, status = [], ""
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            found = msgspec.json.decode(line[6:])
            parts += [choice["delta"].get("content") or "" for choice in found["choices"]]
            status = found.get("headgate", {}).get("status", "") or status
    return "".join(parts), status


class Load:
    """Requests to several gateways at once, until it is `stopped`: by who drives it, or by a wrong answer."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names, self.stopped = names, False
        self.requests = [self.request(number) for number in range(20)]
        self.streamed = frozenset(number for number in range(20) if number % 4 == 3)

    @staticmethod
    def request(number: int) -> bytes:
        question = QUESTIONS[0 if number % 10 else 1 + number // 10]
        body = {"model": "support", "messages": [{"role": "user", "content": question}], "stream": number % 4 == 3}
        raw = json.dumps(body).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        return f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw

    async def run(self, seen: Mapping[int, Seen], connections: int) -> None:
        """Ask every port of `seen` over so many connections each. An answer that does not come in 30 s is wrong."""
        loop = asyncio.get_running_loop()
        clients: list[Client] = []
        try:
            for port, at in seen.items():
                for number in range(connections):
                    client = Client(self, at, number * 7)
                    await loop.create_connection(partial(_same, client), "127.0.0.1", port)
                    clients.append(client)
            asking = {client.ended: client for client in clients}
            while asking:
                ended, _ = await asyncio.wait(asking, timeout=1.0)
                asking = {future: client for future, client in asking.items() if future not in ended}
                for client in asking.values():
                    if time.monotonic() - client.asked > PATIENCE_S:
                        client.fail(b"no answer, only " + b"".join(client.parts))
        finally:
            self.stopped = True

    async def during(self, seen: Mapping[int, Seen], connections: int, drive: Callable[[], T]) -> T:
        """Ask until `drive`, in a thread of its own, has ended; return what it returns."""

        def driven() -> T:
            try:
                self.wait(lambda: all(at.serves for at in seen.values()), "every gateway answers")
                return drive()
            finally:
                self.stopped = True

        _, found = await asyncio.gather(self.run(seen, connections), asyncio.to_thread(driven))
        return found

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait in a driver's thread. AssertionError: nobody asks any more, or it takes too long."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert not self.stopped, f"the load stopped before {what}"
            assert time.monotonic() < deadline, f"not in {seconds:.0f} s: {what}"
            time.sleep(0.002)


def _same(client: Client) -> Client:
    return client


@dataclass(frozen=True)
class Move:
    """One change of the served release, as those who ask saw it; seconds."""

    shown: float
    """From the answer to `release promote` or `release rollback` until every gateway answers with the new release."""
    gone: float
    """From the call until the last answer of the old release, on any gateway."""


def move(load: Load, servers: Sequence[Server], seen: Mapping[int, Seen], number: int, operation: str, to: str) -> Move:
    """Promote or roll back on one of the servers under load, and wait until every gateway has followed."""
    old = next(at.serves for at in seen.values())
    asked = {"release": to} if operation == "release.promote" else {}
    began = time.monotonic()
    moved = servers[number % len(servers)].post(operation, {"environment": "prod", **asked})
    answered = time.monotonic()
    assert (moved["moved"], moved["release"]) == (True, to), moved
    load.wait(lambda: all(at.serves == to for at in seen.values()), "every gateway follows")
    enough = done(seen) + 20 * len(seen)
    load.wait(lambda: done(seen) >= enough, "what was under way ends")
    shown = max(max(at.since for at in seen.values()) - answered, 0.0)
    return Move(shown, max(at.last_of[old] for at in seen.values()) - began)


def done(seen: Mapping[int, Seen]) -> int:
    """Return how many requests were answered."""
    return sum(at.done for at in seen.values())
