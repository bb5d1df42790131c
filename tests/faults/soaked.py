"""A gateway under everything at once: apps on four providers' wires, limits, guards, two releases, providers that fail.

Used by `test_soak.py` and by `benchmarks/soak_gateway.py`; `traffic` asks it, `books` compares what is left behind.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headgate.platform import live_server, plain_environment
from headgate.testing.served import do

from .moody import INPUT, OUTPUT

NAMES = ("aleph", "bet")
"""What the two releases of every app call themselves, wherever they say anything."""
WIRES = ("openai", "anthropic", "gemini", "bedrock")
SOUND = "sound"
"""The app whose providers always say what they bill: its ledger must equal the bill."""
_CHAIN = "first_token: 1s, idle: 1s, total: 6s"
_CHAINS = {
    "plain": f"{{targets: [openai/m, anthropic/m, gemini/m, bedrock/m], retries: 0, {_CHAIN}}}",
    "hedged": f"{{targets: [any: [{{bedrock/m: 2}}, {{gemini/m: 1}}], openai/m], hedge: 30ms, retries: 1, {_CHAIN}}}",
    "strict": f"{{targets: [anthropic/m, bedrock/m], retries: 1, {_CHAIN}}}",
    SOUND: "{targets: [sound-openai/m, sound-anthropic/m, sound-gemini/m, sound-bedrock/m], total: 60s}",
}
APPS = tuple(_CHAINS)
_APP = """contract: contracts/%(app)s
policy: policies/%(policy)s
route: {to: {default: {llm: main, prompt: prompts/answer, retrieval: retrieval/pages}}}
llms:
  main: %(chain)s
fallback: prompts/safe
"""
_LIMITS = "app: [$1000000/month, 90000000000 tokens/month, 900000000 requests/month]"
_FILES = {
    "policies/plain.yaml": (
        "input: [injection: {action: block, reply: prompts/refuse}]\noutput: [secrets: {action: block}]\n"
    ),
    "policies/strict.yaml": (
        "input: [pii: {action: mask}, terms: {action: block, deny: [FORBIDDEN], reply: prompts/refuse}]\n"
        "output: [secrets: {action: block}, pii: {action: mask}, terms: {action: mask, deny: [KEEP-25]}]\n"
    ),
    "prompts/answer.md": "---\nparameters: {max_tokens: 120}\n---\n# system\nYou are rel-NAME.\n\n{{ sources }}\n"
    "# user\n{{ question }}\n",
    "prompts/safe.md": "A person of rel-NAME will answer you; signed rel-NAME.\n",
    "prompts/refuse.md": "The rules of rel-NAME forbid it; signed rel-NAME.\n",
    "retrieval/pages.yaml": "corpus: [corpus/*.md]\n",
    "corpus/returns.md": "# Returns\n\nA router can be returned within 30 days, says rel-NAME.\n",
    **{f"contracts/{app}.yaml": f"limits: {{{_LIMITS}, user: [40 requests/minute]}}\n" for app in APPS},
    **{
        f"apps/{app}.yaml": _APP % {"app": app, "chain": chain, "policy": "strict" if app == "strict" else "plain"}
        for app, chain in _CHAINS.items()
    },
}
KEYS: Mapping[str, Mapping[str, Any]] = {
    "rich": {"role": ["admin"], "limit": ["$1000000/month"]},
    "poor": {"role": ["app"], "limit": ["$0.02/minute"]},
    "hasty": {"role": ["app"], "limit": ["100 requests/minute"]},
    "talkative": {"role": ["app"], "limit": ["20k tokens/minute"]},
}


@dataclass
class World:
    """What is under load. names: releases by digest, and what each calls itself; keys: tokens by what they allow."""

    root: Path
    environment: dict[str, str]
    bills: dict[str, Path]
    stand_ins: dict[str, int]
    names: dict[str, str] = field(default_factory=dict)
    releases: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    pids: list[int] = field(default_factory=list)

    def move(self, app: str, name: str) -> None:
        """Promote one of an app's two releases on the running server, or roll back to it."""
        note = live_server(self.root / ".headgate" / "server.json")
        assert note is not None
        digest = self.releases[app][name]
        operation, asked = ("rollback", {"app": app}) if name == NAMES[0] else ("promote", {"release": digest})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"content-type": "application/json", "x-headgate-local": note.token}
        body = json.dumps({"environment": "prod", **asked})
        connection.request("POST", f"/api/release/{operation}", body, headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        connection.close()
        assert (answer.status, found.get("release")) == (200, digest), found

    def stop(self) -> int:
        """Stop the server as people do; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def log(self) -> str:
        return (self.root / ".headgate" / "server.log").read_text(errors="replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stats(port: int) -> dict[str, int]:
    """Return how many calls a stand-in has had, and how many run."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/v1/_stats")
    found: dict[str, int] = json.loads(connection.getresponse().read())
    connection.close()
    return found


@contextmanager
def _stand_in(folder: Path, name: str, seed: int) -> Iterator[tuple[int, Path]]:
    port, bill = free_port(), folder / f"{name}.jsonl"
    bill.touch()
    command = [sys.executable, str(Path(__file__).with_name("moody.py"))]
    command += ["--port", str(port), "--bill", str(bill), "--seed", str(seed)]
    process = subprocess.Popen([*command, *(["--sound"] if name == SOUND else [])], env=plain_environment())
    try:
        deadline = time.monotonic() + 20
        while True:
            with suppress(OSError):
                stats(port)
                break
            assert time.monotonic() < deadline, "the stand-in did not start"
            time.sleep(0.05)
        yield port, bill
    finally:
        process.terminate()
        process.wait(10)


def _build(world: World) -> None:
    """Write the project, make both releases of every app, serve the first, and make the keys."""
    lines = ["headgate: 1", "project: acme", "environments: {prod: {}}", "providers:"]
    for kind, port in world.stand_ins.items():
        url = f"http://127.0.0.1:{port}/v1"
        for wire in WIRES:
            name = f"{SOUND}-{wire}" if kind == SOUND else wire
            price = f"{{input: {INPUT}, output: {OUTPUT}}}"
            timeout = "60s" if kind == SOUND else "2s"  # a call that is cut off does not say what it used
            lines.append(f'  {name}: {{type: {wire}, base_url: "{url}", key: k, timeout: {timeout}, price: {price}}}')
    files = _FILES | {"headgate.yaml": "\n".join(lines) + "\n"}
    for name in NAMES:
        for path, text in files.items():
            (world.root / path).parent.mkdir(parents=True, exist_ok=True)
            (world.root / path).write_text(text.replace("NAME", name), encoding="utf-8")
        if name == NAMES[0]:
            do(world.root, "environment.apply", {}, **world.environment)
        for app in APPS:
            digest = do(world.root, "release.create", {"app": app}, **world.environment)["digest"]
            world.names[digest] = name
            world.releases.setdefault(app, {})[name] = digest
    for app in APPS:
        asked = {"release": world.releases[app][NAMES[0]], "environment": "prod"}
        assert do(world.root, "release.promote", asked, **world.environment)["moved"]
    for name, allowed in KEYS.items():
        made = do(world.root, "key.create", {"person": name, **allowed}, **world.environment)
        world.keys[name] = made["token"]


@contextmanager
def opened(folder: Path, *, seed: int, workers: int = 1, **environment: str) -> Iterator[World]:
    """Start the stand-ins and `headgate serve`; whoever enters stops the server, or leaving does."""
    with ExitStack() as stack:
        ports = {name: stack.enter_context(_stand_in(folder, name, seed)) for name in ("moody", SOUND)}
        bills = {name: bill for name, (_, bill) in ports.items()}
        world = World(folder / "project", dict(environment), bills, {name: port for name, (port, _) in ports.items()})
        _build(world)
        log = world.root / ".headgate" / "server.log"
        command = [sys.executable, "-m", "headgate", "serve", "--port", "0", "--project", str(world.root)]
        command += ["--workers", str(workers)] if workers > 1 else []
        errors = stack.enter_context(log.open("wb"))
        quiet = plain_environment(HEADGATE_LOG="warning", **environment)
        world.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=quiet)
        assert world.process.stdout is not None
        stack.callback(world.process.stdout.close)
        said = world.process.stdout.readline().decode()
        assert "serves on " in said, f"{said} {world.log()[-3000:]}"
        world.port = int(said.split("serves on ")[1].split()[0].rsplit(":", 1)[1])
        time.sleep(1.0 if workers > 1 else 0.0)
        children = Path(f"/proc/{world.process.pid}/task/{world.process.pid}/children").read_text()
        world.pids = [int(pid) for pid in children.split()] if workers > 1 else [world.process.pid]
        try:
            yield world
        finally:
            if world.process.poll() is None:
                world.stop()


def figure(world: World, name: str) -> float:
    """Return the sum of a figure of `/metrics` over all workers."""
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=30)
    connection.request("GET", "/metrics", headers={"authorization": f"Bearer {world.keys['rich']}"})
    text = connection.getresponse().read().decode()
    connection.close()
    lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    assert lines, f"no {name} in /metrics"
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def at_rest(world: World, seconds: float = 10.0) -> str:
    """Wait until no request is being answered and no call runs; return what still does."""
    deadline = time.monotonic() + seconds
    while True:
        answering = figure(world, "headgate_in_flight")
        running = sum(stats(port)["active"] for port in world.stand_ins.values())
        if not answering and not running:
            return ""
        if time.monotonic() > deadline:
            return f"{answering} requests are being answered, {running} calls run"
        time.sleep(0.1)
