"""P8 through the gateway: each fault × provider's wire × client's wire × stream or not: one proper end, none of ours.

Each fault is met by an app, whose safe template answers when nothing has been said yet, and by the model asked by its
own name, whose failure the client is told in its wire's words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from tests.conformance.test_providers_faults import STREAMED, TAKEN, WHOLE
from tests.faults import ends

from headgate.testing.served import Served, do, serving
from headgate.testing.upstream import Fault, Upstream, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
PROVIDERS = ("openai", "anthropic", "gemini", "bedrock")
FAULTS: tuple[Fault, ...] = get_args(Fault)
WAITED = ("429", "500", "html502")
"""Faults that ask for a second of patience, which a model asked by its own name is given."""
STATUS = {"provider_rejected": 400, "content_filter": 400, "provider_rate_limit": 429, "provider_timeout": 504}
SAID = "possible"
SAFE = "A person will answer you."
FILES = {
    "contracts/plain.yaml": "latency: {p95: 2s}\n",
    "prompts/echo.md": "# system\nYou help.\n# user\n{{ question }}\n",
    "prompts/safe.md": f"{SAFE}\n",
} | {
    f"apps/{name}.yaml": f"""contract: contracts/plain
route: {{to: {{default: {{llm: main, prompt: prompts/echo}}}}}}
llms:
  main: {{targets: [{name}/stand-in], retries: 0, first_token: 300ms, idle: 300ms, total: 3s}}
fallback: prompts/safe
"""
    for name in PROVIDERS
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Upstream]]:
    root: Path = tmp_path_factory.mktemp("ends")
    with running() as (url, upstream):
        settings = f"base_url: '{url}', key: k, timeout: 300ms"
        providers = "".join(f"  {name}: {{type: {name}, {settings}}}\n" for name in PROVIDERS)
        project = f"headgate: 1\nproject: acme\nenvironments: {{prod: {{}}}}\nproviders:\n{providers}"
        for path, text in (FILES | {"headgate.yaml": project}).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        do(root, "environment.apply", {})
        for app in PROVIDERS:
            made = do(root, "release.create", {"app": app})
            do(root, "release.promote", {"release": made["digest"], "environment": "prod"})
        with serving(root) as served:
            yield served, upstream


def ask(served: Served, wire: str, model: str, *, stream: bool) -> tuple[int, ends.Ended]:
    body = ends.request(wire, model, "Can I return it?", stream=stream)
    status, found, headers = served.request("POST", ends.PATHS[wire], body)
    raw = found if isinstance(found, str) else json.dumps(found)
    return status, ends.ended(wire, status, headers["content-type"], raw.encode())


def code_of(fault: Fault, *, stream: bool) -> str:
    """Return the code of a fault; empty when an answer comes of it."""
    return "" if fault in TAKEN else (STREAMED if stream else WHOLE)[fault][0]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", ends.PATHS)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_has_one_end(
    world: tuple[Served, Upstream], fault: Fault, provider: str, wire: str, stream: bool
) -> None:
    served, upstream = world
    upstream.misbehave(fault, 99)
    code = code_of(fault, stream=stream)
    status, seen = ask(served, wire, provider, stream=stream)
    assert (status, seen.wrong) == (200, ""), "an app whose model fails says its safe template"
    if not code:
        assert (seen.code, SAID in seen.text) == ("", True)
    elif seen.code:  # the model had begun: nobody else may go on
        assert stream
        assert seen.code == code
        assert SAFE not in seen.text
    else:
        assert seen.text == SAFE
    if fault in WAITED and provider != "openai":
        return
    status, seen = ask(served, wire, f"{provider}/stand-in", stream=stream)
    if not code and seen.code == "provider_timeout":  # the machine stood still for 300 ms: no fault of this kind
        status, seen = ask(served, wire, f"{provider}/stand-in", stream=stream)
    assert (seen.wrong, seen.code) == ("", code)
    begun = stream and bool(seen.text)
    assert status == (200 if begun or not code else STATUS.get(code, 503))


def test_nothing_is_left_over(world: tuple[Served, Upstream]) -> None:
    """After all of it no call runs, no request is being answered, and nothing was dropped."""
    served, upstream = world
    upstream.misbehave("off")
    assert ask(served, "openai-chat", "openai", stream=True)[1].wrong == ""
    deadline = time.monotonic() + 5
    while upstream.active and time.monotonic() < deadline:
        time.sleep(0.02)
    assert upstream.active == 0
    figures = served.request("GET", "/metrics")[1].splitlines()
    assert "headgate_in_flight 0.0" in figures
    assert "headgate_spans_dropped 0.0" in figures
    assert not [line for line in figures if line.startswith("headgate_http_errors_total") and 'status="500"' in line]
