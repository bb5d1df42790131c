"""One app for each wire that providers speak, all behind one server, for clients that people really use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headgate.testing.served import Served, do, serving
from headgate.testing.upstream import Upstream, running

WIRES = ("openai", "anthropic", "gemini", "bedrock")
"""Each is also the name of an app, whose provider speaks this wire."""

_APP = """contract: contracts/chat
route:
  to:
    default: {{llm: main, prompt: prompts/answer}}
llms:
  main: [{wire}/stand-in]
fallback: prompts/safe
"""
_FILES = {
    "contracts/chat.yaml": "latency: {p95: 5s}\n",
    "prompts/answer.md": "# system\nBe kind.\n# user\n{{ question }}\n",
    "prompts/quote.md": "# system\nAnswer only from the sources, cite as [n].\n{{ sources }}\n# user\n{{ question }}\n",
    "prompts/safe.md": "A person will answer you.\n",
    "policies/strict.yaml": "input:\n  - injection: {action: block, reply: prompts/safe}\n",
    "apps/guarded.yaml": _APP.format(wire="openai").replace("route:", "policy: policies/strict\nroute:"),
    "apps/quoting.yaml": _APP.format(wire="openai").replace(
        "prompts/answer}", "prompts/quote, retrieval: retrieval/pages}"
    ),
    "retrieval/pages.yaml": "corpus: [corpus/*.md]\n",
    "corpus/returns.md": "# Returns\n\nYou can return a device within 30 days of delivery.\n",
} | {f"apps/{wire}.yaml": _APP.format(wire=wire) for wire in WIRES}


@dataclass(frozen=True)
class World:
    """The server, its keys, and the stand-in behind it."""

    server: Served
    upstream: Upstream
    key: str
    poor: str

    @property
    def url(self) -> str:
        return f"{self.server.url}/v1"


@contextmanager
def opened(root: Path) -> Iterator[World]:
    """Build the project, promote every app, and serve it to those who have a key."""
    with running() as (url, upstream):
        files = _FILES | {"headgate.yaml": _project(url)}
        for name, text in files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        do(root, "environment.apply", {})
        for app in (*WIRES, "guarded", "quoting"):
            made = do(root, "release.create", {"app": app})
            do(root, "release.promote", {"release": made["digest"], "environment": "prod"})
        key = do(root, "key.create", {"person": "a-client", "role": ["app"]})["token"]
        poor = do(root, "key.create", {"person": "poor", "role": ["app"], "budget_per_day": "$0.000001"})["token"]
        with serving(root) as server:
            yield World(server, upstream, key, poor)


def _project(url: str) -> str:
    lines = ["headgate: 1", "project: acme", "environments: {prod: {}}", "providers:"]
    for wire in WIRES:
        more = "price: {input: $1, output: $2}, key: none"
        lines.append(f'  {wire}: {{type: {wire}, base_url: "{url}", {more}}}')
    return "\n".join(lines) + "\n"
