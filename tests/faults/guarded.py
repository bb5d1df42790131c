"""A project whose apps differ in one guard each, a stranger's; a gateway of it; and the routes by which it is asked.

A new route is one more row of `ROUTES`: the tests of this folder then hold it to what the others are held to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.platform import plain_environment
from headgate.testing.served import Served, serving

GUARD = '''
import time
from typing import Literal
from pydantic import Field
from headgate.guard import Finding, GuardOptions, GuardPlugin
from headgate.measure import Found

class Options(GuardOptions):
    """A guard that finds a word, or goes wrong."""
    does: Literal["finds", "raises", "hangs", "returns text", "points outside"] = Field("finds", description="what")
    word: str = Field("possible", description="what it finds")
    holds: int | Literal["sentence", "answer"] = Field(8, description="its unit")

class Own:
    def __init__(self, options):
        self.does, self.word, self.unit = options.does, options.word, options.holds

    def check(self, text):
        if self.does == "raises":
            raise ValueError("secret of the guard: " + text)
        if self.does == "hangs":
            time.sleep(0.6)
        if self.does == "returns text":
            return "pass"
        if self.does == "points outside":
            return Finding(True, 1.0, "own", "found it", spans=(Found(0, len(text) + 1, "OWN"),))
        at = text.find(self.word)
        if at < 0:
            return Finding(False)
        return Finding(True, 1.0, "own", "found it", spans=(Found(at, at + len(self.word), "OWN"),))

plugin = GuardPlugin(behaviour=1, options=Options, make=Own, unit=8, example={"word": "x"})
'''
FILES = {
    "contracts/plain.yaml": "latency: {p95: 2s}\n",
    "prompts/echo.md": "# system\nYou help.\n# user\n{{ question }}\n",
    "prompts/safe.md": "A person will answer you.\n",
    "prompts/refuse.md": "I cannot help with that.\n",
}
REPLY = "I cannot help with that."
APP = """contract: contracts/plain
policy: policies/%(name)s
route:
  to:
    default: {llm: main, prompt: prompts/echo}
llms:
  main: [%(target)s]
fallback: prompts/safe
"""


def build(folder: Path, providers: str, apps: Mapping[str, tuple[str, str]]) -> tuple[Path, dict[str, str]]:
    """Write and promote apps, each by (target, policy); return the project and what its processes must know."""
    installed = folder / "installed"
    about = installed / "own_guard-1.dist-info"
    about.mkdir(parents=True)
    (installed / "own_guard.py").write_text(GUARD, encoding="utf-8")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own-guard\nVersion: 1\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[headgate.guards]\nown = own_guard:plugin\n", encoding="utf-8")
    root = folder / "project"
    project = f"headgate: 1\nproject: acme\nproviders:\n{providers}environments:\n  prod: {{}}\n"
    files = {**FILES, "headgate.yaml": project}
    for name, (target, policy) in apps.items():
        files[f"apps/{name}.yaml"] = APP % {"name": name, "target": target}
        files[f"policies/{name}.yaml"] = policy
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    searched = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))
    return root, {"PYTHONPATH": searched, "HEADGATE_LOG": "warning"}


RELEASE = """
import sys
from pathlib import Path
from headgate.testing.served import do
root = Path(sys.argv[1])
do(root, "environment.apply", {})
for app in sys.argv[2:]:
    made = do(root, "release.create", {"app": app})
    do(root, "release.promote", {"release": made["digest"], "environment": "prod"})
"""


@contextmanager
def gateway(root: Path, environment: Mapping[str, str], apps: Iterable[str]) -> Iterator[Served]:
    """Release every app where the stranger's guard is installed, and serve them."""
    command = [sys.executable, "-c", RELEASE, str(root), *apps]
    done = subprocess.run(command, env=plain_environment(**environment), capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    with serving(root, **environment) as served:
        yield served


@dataclass(frozen=True)
class Seen:
    """What a client got: the text, whether it was told that something was stopped, and the trace."""

    text: str
    stopped: bool
    trace: str


def chat(served: Served, app: str, text: str) -> Seen:
    _, body, headers = served.request("POST", "/v1/chat/completions", served.chat(text, app))
    choice = body["choices"][0]
    return Seen(choice["message"]["content"], choice["finish_reason"] == "content_filter", headers["x-headgate-trace"])


def chat_stream(served: Served, app: str, text: str) -> Seen:
    _, body, headers = served.request("POST", "/v1/chat/completions", served.chat(text, app, stream=True))
    events = [line.removeprefix("data: ") for line in body.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    choices = [json.loads(event)["choices"][0] for event in events[:-1]]
    said = "".join(choice["delta"].get("content") or "" for choice in choices)
    ends = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    assert len(ends) == 1
    return Seen(said, ends[0] == "content_filter", headers["x-headgate-trace"])


def responses(served: Served, app: str, text: str) -> Seen:
    _, body, headers = served.request("POST", "/v1/responses", {"model": app, "input": text})
    return _response(body, headers)


def _response(body: Mapping[str, Any], headers: Mapping[str, str]) -> Seen:
    assert body["status"] in ("completed", "incomplete")
    said = "".join(part["text"] for item in body["output"] for part in item["content"])
    stopped = (body["incomplete_details"] or {}).get("reason") == "content_filter"
    return Seen(said, stopped, headers["x-headgate-trace"])


def responses_stream(served: Served, app: str, text: str) -> Seen:
    _, body, headers = served.request("POST", "/v1/responses", {"model": app, "input": text, "stream": True})
    events = _events(body)
    assert events[-1]["type"] in ("response.completed", "response.incomplete")
    end = _response(events[-1]["response"], headers)
    deltas = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    dones = [event["text"] for event in events if event["type"] == "response.output_text.done"]
    assert "".join(dones) == deltas == end.text
    return end


def messages(served: Served, app: str, text: str) -> Seen:
    _, body, headers = served.request("POST", "/v1/messages", _message(app, text))
    said = "".join(block["text"] for block in body["content"])
    return Seen(said, body["stop_reason"] == "refusal", headers["x-headgate-trace"])


def messages_stream(served: Served, app: str, text: str) -> Seen:
    _, body, headers = served.request("POST", "/v1/messages", _message(app, text, stream=True))
    events = _events(body)
    assert events[-1]["type"] == "message_stop"
    said = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    ends = [event["delta"]["stop_reason"] for event in events if event["type"] == "message_delta"]
    assert len(ends) == 1
    return Seen(said, ends[0] == "refusal", headers["x-headgate-trace"])


def _message(app: str, text: str, **more: Any) -> dict[str, Any]:
    return {"model": app, "max_tokens": 1000, "messages": [{"role": "user", "content": text}], **more}


def _events(body: str) -> list[dict[str, Any]]:
    lines = [line for line in body.split("\n") if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


Ask = Callable[[Served, str, str], Seen]
ROUTES: dict[str, Ask] = {
    "chat": chat,
    "chat-stream": chat_stream,
    "responses": responses,
    "responses-stream": responses_stream,
    "messages": messages,
    "messages-stream": messages_stream,
}
"""Every route by which a model answers, whole and streamed."""


def check(served: Served, app: str, side: str, text: str) -> Seen:
    """Ask an app's guards alone."""
    message = {"role": "user" if side == "input" else "assistant", "content": text}
    _, body, headers = served.request("POST", "/v1/guardrail/checks", {"model": app, "messages": [message]})
    stopped = body["status"] == "blocked"
    said = body["reply"] if stopped else body["messages"][0]["content"]
    return Seen(said, stopped, headers["x-headgate-trace"])


def shown(served: Served, trace: str) -> dict[str, Any]:
    status, found, _ = served.request("POST", "/api/trace/show", {"trace_id": trace})
    assert status == 200, found
    return dict(found)
