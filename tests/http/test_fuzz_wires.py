"""P27: whatever a body holds, no wire answers with an error of ours: bodies of clients, mutated by the thousand."""

from __future__ import annotations

import copy
import http.client
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http.wild import JUNK, KEYS, WIRES

from headgate.testing.served import Served, do, serving
from headgate.testing.upstream import Upstream

MODELS = ("support", "open", "lab/stand-in", "clerk/claude", "twin/gemini-3-pro", "rock/nova")

_FILES = {
    "headgate.yaml": """headgate: 1
project: acme
providers:
  local: {type: extractive}
  lab: {type: openai, base_url: "%(lab)s", price: {input: $1, output: $1}}
  clerk: {type: anthropic, base_url: "%(lab)s", key: k, price: {input: $1, output: $1}}
  twin: {type: gemini, base_url: "%(lab)s", key: k, price: {input: $1, output: $1}}
  rock: {type: bedrock, base_url: "%(lab)s", region: eu-central-1, key: k, price: {input: $1, output: $1}}
environments: {dev: {}}
""",
    "apps/open.yaml": """contract: contracts/support
policy: policies/open
route: {to: {default: {llm: main, prompt: prompts/plain}}}
llms: {main: [clerk/claude, lab/stand-in, twin/gemini-3-pro]}
fallback: prompts/safe
""",
    "prompts/plain.md": "# system\nBe brief.\n",
    "contracts/support.yaml": "latency: {p95: 2s}\nlimits: {app: [$1000/day], session: [$900/day], loops: 5}\n",
    "policies/open.yaml": """accept: [tools, images, audio, video, files, other]
input: [{injection: {action: block}}, {pii: {action: mask}}, {secrets: {action: mask}}]
output: [{pii: {action: mask}}, {secrets: {action: mask}}]
""",
}


@pytest.fixture(scope="module")
def target(built: Path, lab: tuple[str, Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of one app that takes text and tools, one that takes everything, and a provider of each wire."""
    root = Path(shutil.copytree(built, tmp_path_factory.mktemp("fuzzed") / "project"))
    for name, text in _FILES.items():
        (root / name).write_text(text % {"lab": lab[0]} if name == "headgate.yaml" else text, encoding="utf-8")
    do(root, "environment.apply", {})
    for app in ("support", "open"):
        made = do(root, "release.create", {"app": app})
        do(root, "release.promote", {"release": made["digest"], "environment": "dev"})
    with serving(root) as found:
        yield found


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place in a value: its holder, and the key or index there."""
    found: list[tuple[Any, Any]] = []
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in pairs:
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += places(inner)
    return found


def mutated(body: dict[str, Any], chance: Random) -> dict[str, Any]:
    """Change a body at one to four places: another value, none, one more, a list of it, or that of another place."""
    body = copy.deepcopy(body)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        everywhere = places(body)
        if not everywhere:
            break
        holder, key = chance.choice(everywhere)
        change = chance.choice(["set", "set", "drop", "add", "swap", "nest"])
        if change == "set":
            holder[key] = copy.deepcopy(chance.choice(JUNK))
        elif change == "drop":
            del holder[key]
        elif change == "add" and isinstance(holder, dict):
            holder[chance.choice(KEYS)] = copy.deepcopy(chance.choice(JUNK))
        elif change == "nest":
            holder[key] = [holder[key]]
        else:
            other, at = chance.choice(everywhere)
            holder[key] = copy.deepcopy(other[at])
    return body


def post(target: Served, path: str, body: Any) -> tuple[int, bytes, str]:
    """Send a body; return status, answer and the id of the trace, '' when there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body).encode(), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("x-headgate-trace") or ""
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("path", WIRES)
def test_no_body_is_answered_with_an_error_of_ours_and_every_answer_has_a_trace(
    target: Served, path: str, wait_for: Callable[..., Any]
) -> None:
    traces: dict[str, Any] = {}

    @settings(max_examples=600, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(MODELS), st.randoms(use_true_random=False))
    def attempt(model: str, chance: Random) -> None:
        body = mutated({"model": model, **WIRES[path]}, chance)
        status, answer, trace = post(target, path, body)
        assert status < 500 or b"provider_" in answer, (status, answer[:300], body)
        if status == 200 and trace:
            traces[trace] = body

    attempt()
    assert "Traceback" not in target.log.read_text("utf-8")
    assert traces or path.endswith("count_tokens")
    for trace, body in traces.items():
        assert wait_for(lambda trace=trace: target.request("GET", f"/api/trace/show?trace_id={trace}")[0] == 200), body
