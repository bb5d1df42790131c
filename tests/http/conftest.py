"""A small project, built and promoted for real, and servers of it: one without keys, one where everybody has one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.testing.served import Served, do, serving
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
