"""P6: an environment flips between two releases under load, and no answer is a mix of both.

Both releases say their name wherever a release can say something: the system prompt, the question's frame, the pages
retrieved, the safe template and a refusal. The provider repeats what it was told, slowly enough to be overtaken.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import Event, Principal, Usage, new_trace_id, text_of
from headgate.models import FREE, Call, Delta, End, Price, ProviderError, Providers
from headgate.platform import read_settings, run_operation
from headgate.platform.gateway import Gateway, build_gateway
from headgate.platform.identity import Known
from headgate.platform.wiring import Embedded, open_project
from headgate.store import SpanQuery

FLIPS, PER_FLIP, AT_ONCE = 50, 200, 40
NAMES = ("aleph", "bet")
ADMIN = Principal("person_a", "acme", frozenset({"admin"}))
MARK = re.compile(r"\brel-(\w+)\b")
FILES = {
    "headgate.yaml": "headgate: 1\nproject: acme\nproviders:\n  bot: {type: scripted}\nenvironments:\n  prod: {}\n",
    "apps/support.yaml": """contract: contracts/support
policy: policies/support
route:
  to:
    default: {llm: main, prompt: prompts/answer, retrieval: retrieval/handbook}
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
QUESTIONS = ("Can a router be returned?", "Can a router be returned within FORBIDDEN days?", "BREAK the router?")


def quiet(text: str, done: int = 0, total: int = 0) -> None:
    pass


class Echo:
    """A provider that repeats its whole prompt, lets others run between two words, and breaks when told to."""

    name = "bot"

    def identity(self, model: str) -> dict[str, Any]:
        return {"type": "echo", "model": model}

    def price(self, model: str) -> Price | None:
        return FREE

    async def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        said = "\n".join(text_of(message.get("content")) for message in call.body["messages"])
        await asyncio.sleep(0.002)
        if "BREAK" in said:
            raise ProviderError("broken", code="provider_server", retryable=False, upstream_status=500)
        third = len(said) // 3
        for piece in (said[:third], said[third : 2 * third], said[2 * third :]):
            yield Delta(piece)
            await asyncio.sleep(0.001)
        yield End("stop", Usage(10, 10), call.model)

    async def close(self) -> None:
        return None


@dataclass
class Seen:
    """What was answered, counted; `wrong` holds everything that should not be."""

    done: int = 0
    by_release: Counter[str] = field(default_factory=Counter)
    by_status: Counter[str] = field(default_factory=Counter)
    overtaken: int = 0
    due: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    wrong: list[str] = field(default_factory=list)


@pytest.fixture
def releases(tmp_path: Path) -> dict[str, str]:
    """Both releases, made from the same files under another name; digest to name. `aleph` is served first."""
    made: dict[str, str] = {}
    for name in NAMES:
        for file, text in FILES.items():
            path = tmp_path / "project" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("NAME", name), encoding="utf-8")
        settings = read_settings({})
        if not made:
            run_operation("environment.apply", {}, tmp_path / "project", settings, quiet)
        made[run_operation("release.create", {}, tmp_path / "project", settings, quiet)["digest"]] = name
    assert len(made) == 2
    return made


async def ask(gateway: Gateway, number: int, names: dict[str, str], seen: Seen) -> None:
    """Ask one question and note whether every part of its answer comes from the release that it names."""
    question = QUESTIONS[0 if number % 10 else 1 + number // 10 % 2]
    body = {"model": "support", "messages": [{"role": "user", "content": question}], "stream": number % 3 == 0}
    turn = await gateway.open(Known(ADMIN), body, new_trace_id())
    parts: list[str] = []

    async def say(event: Event) -> None:
        parts.append(event.text)

    answer = await turn.answer(say)
    said, wanted = "".join(parts), names[turn.pin.release]
    marks = MARK.findall(said)
    named = answer.release == turn.pin.release == turn.snapshot.digest
    if not named or len(marks) < 2 or set(marks) != {wanted}:
        seen.wrong.append(f"{wanted}: {said!r}")
    seen.by_release[wanted] += 1
    seen.by_status[answer.status] += 1
    now = gateway.environments.pin("acme", "support")
    seen.overtaken += now is None or now.generation != turn.pin.generation
    seen.done += 1
    if seen.done % PER_FLIP == PER_FLIP // 2:
        seen.due.release()


async def flip(embedded: Embedded, names: dict[str, str], seen: Seen, first: str) -> None:
    """Promote and roll back in turn, once every 200 answers."""
    served = first
    for number in range(1, FLIPS + 1):
        await seen.due.acquire()
        other = next(digest for digest in names if digest != served)
        operation, asked = ("release.promote", {"release": other, "environment": "prod"})
        if number % 2 == 0:
            operation, asked = ("release.rollback", {"environment": "prod"})
        moved = await asyncio.to_thread(embedded.performer.perform, ADMIN, operation, asked)
        assert moved["moved"]
        assert moved["release"] == other
        served = other


async def under_load(embedded: Embedded, names: dict[str, str], first: str) -> Seen:
    gateway = build_gateway(embedded, embedded.identity())
    gateway.providers = Providers({}, {"bot": Echo()})
    await gateway.start()
    seen, numbers = Seen(), iter(range(FLIPS * PER_FLIP))

    async def caller() -> None:
        for number in numbers:
            await ask(gateway, number, names, seen)

    try:
        await asyncio.gather(flip(embedded, names, seen, first), *(caller() for _ in range(AT_ONCE)))
    finally:
        await gateway.close()
    return seen


@pytest.mark.slow
async def test_no_answer_is_a_mix_of_two_releases(tmp_path: Path, releases: dict[str, str]) -> None:
    first = next(iter(releases))
    asked = {"release": first, "environment": "prod"}
    run_operation("release.promote", asked, tmp_path / "project", read_settings({}), quiet)
    embedded = open_project(tmp_path / "project", read_settings({}), writer=True)
    try:
        seen = await under_load(embedded, releases, first)
        embedded.store.spans.flush()
        records = embedded.store.spans.find(SpanQuery("acme", limit=FLIPS * PER_FLIP + 1, payload=True))
    finally:
        embedded.close()
    assert seen.wrong[:3] == []
    assert seen.done == FLIPS * PER_FLIP
    assert min(seen.by_release[name] for name in NAMES) > FLIPS * PER_FLIP / 5, "both were served"
    assert set(seen.by_status) == {"answered", "blocked", "safe"}
    assert seen.overtaken >= FLIPS, "some requests must be under way while the environment flips"
    mixed = [row for row in records if set(MARK.findall(row.payload["answer"])) != {releases[row.release]}]
    assert len(records) == seen.done
    assert [row.trace_id for row in mixed[:3]] == []
