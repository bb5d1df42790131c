"""What one execution costs beside the provider: median microseconds of every stage, on a small project made here.

    python benchmarks/bench_execute.py [requests]

30 pages, a routed question, two input guards, two output guards, verified citations, a budget in the ledger.
The provider answers at once, so whatever is measured is ours. Figures are for one core; the first 200 are warm-up.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from headgate import artifacts
from headgate.kernel import Draft, Reference, Request, RequestRecord, SystemClock, Usage, new_trace_id, plugins
from headgate.models import Call, Delta, End, Prediction, Price, Providers
from headgate.serve import Purse, Runtime, Snapshot, execute, load
from headgate.serve.route import Router
from headgate.store import Blobs, Records

TOPICS = [
    "router",
    "roaming pass",
    "bill",
    "contract",
    "SIM card",
    "voicemail",
    "outage",
    "refund",
    "plan",
    "data limit",
]
QUESTIONS = [
    "How long can I return a router?",
    "What does the roaming pass cost in the USA?",
    "When is my bill due, and how do I pay it? My number is +49 30 901820.",
]
FILES = {
    "apps/support.yaml": """contract: contracts/support
policy: policies/support
route: {to: {default: {llm: main, prompt: prompts/answer, retrieval: retrieval/handbook}}}
llms: {main: [instant/model]}
verify: {grounding: {at_least: 0.3}, citations: required}
fallback: prompts/safe
""",
    "contracts/support.yaml": """refuse: [{rule: Legal advice, examples: ["Can I sue my landlord?"]}]
cost: {per_request: $1, per_day: $100000}
evidence: {citations: required}
""",
    "policies/support.yaml": """input: [{pii: {action: mask}}, {injection: {action: block}}]
output: [{pii: {action: mask}}, {terms: {action: block, deny: [NL-OVERRIDE]}}]
""",
    "prompts/answer.md": "# system\nAnswer from the sources.\n\n{{ sources }}\n# user\n{{ question }}\n",
    "prompts/safe.md": "A person will answer you.",
    "retrieval/handbook.yaml": "corpus: [corpus/*.md]\n",
}


class Instant:
    """Answers with the first sentence of the first source, at once."""

    name = "instant"

    def identity(self, model: str) -> dict[str, Any]:
        return {"type": "instant", "model": model}

    def price(self, model: str) -> Price:
        return Price(input="$0.25", output="$2")  # type: ignore[arg-type]

    async def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        text = call.passages[0].text.split(".")[0] + " [1]." if call.passages else "I do not know."
        yield Delta(text)
        yield End("stop", Usage(400, 12), call.model)

    async def close(self) -> None:
        return None


class Counted:
    """A recorder that only counts: the span writer runs in a thread of its own and is measured elsewhere."""

    def __init__(self) -> None:
        self.count = 0

    def record(self, record: RequestRecord) -> None:
        self.count += 1


class Constant:
    """A router that costs nothing; ONNX is measured by its own benchmark."""

    labels = ("other",)

    def predict(self, rows: Any) -> list[Prediction]:
        return [Prediction("other", 1.0, {"other": 1.0})]


def project(root: Path) -> None:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "corpus").mkdir()
    for number in range(30):
        topic = TOPICS[number % len(TOPICS)]
        facts = [
            f"A {topic} of kind {number} can be returned within {number + step} days at no charge."
            for step in range(12)
        ]
        (root / f"corpus/page-{number}.md").write_text(f"# About the {topic} {number}\n\n" + "\n\n".join(facts))


def build(root: Path, records: Records, blobs: Blobs) -> Snapshot:
    pins: dict[str, Any] = {}
    queue = deque([Reference("app", "apps/support")])
    with records.begin() as tx:
        while queue:
            found = queue.popleft()
            draft = plugins.load("kinds", found.kind).parse(root, found.path)
            pins[found.path] = {"kind": draft.kind, "digest": draft.digest}
            artifacts.put(tx, blobs, "bench", draft, "bench", 1.0)
            queue.extend(item for item in draft.references if item.path not in pins)
        release = Draft("release", 1, "releases/support", {"app": "support", "pins": pins, "providers": {}})
        artifacts.put(tx, blobs, "bench", release, "bench", 1.0)
    with records.read() as tx:
        snapshot = load(tx, "bench", blobs, release.digest)
    return replace(snapshot, router=Router("models/router", Constant(), (("text", "text"),), "text"))


async def run(snapshot: Snapshot, runtime: Runtime, requests: int, stream: bool) -> dict[str, list[int]]:
    """Return microseconds by stage, `overhead` (all that is not the provider) and `wall` (by an outer clock)."""
    took: dict[str, list[int]] = defaultdict(list)
    for number in range(requests + 200):
        messages = [{"role": "user", "content": QUESTIONS[number % len(QUESTIONS)]}]
        request = Request(new_trace_id(), {"model": "support", "messages": messages, "stream": stream})
        began = time.perf_counter_ns()
        given = await execute(snapshot, request, runtime)
        wall = (time.perf_counter_ns() - began) // 1000
        if number < 200:
            continue
        assert given.status == "answered", given
        took["wall"].append(wall)
        took["overhead"].append(given.overhead_us)
        for stage in given.stages:
            took[stage.name].append(stage.took_us)
    return took


def table(title: str, took: dict[str, list[int]]) -> None:
    print(f"\n{title}\n{'stage':<14}{'median µs':>10}{'p99 µs':>10}")
    order = [name for name in took if name not in ("wall", "overhead")] + ["overhead", "wall"]
    for name in order:
        values = sorted(took[name])
        print(f"{name:<14}{statistics.median(values):>10.0f}{values[int(len(values) * 0.99)]:>10d}")


async def main(requests: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        project(root / "project")
        records = Records(f"sqlite:///{root}/records.db")
        records.migrate()
        snapshot = build(root / "project", records, Blobs("memory://"))
        clock, recorder = SystemClock(), Counted()
        purse = Purse(records, clock)
        providers = Providers({}, {"instant": Instant()})
        runtime = Runtime(providers, recorder, clock, purse=purse, project="bench")
        table(f"{requests} whole answers", await run(snapshot, runtime, requests, stream=False))
        table(f"{requests} streams", await run(snapshot, runtime, requests, stream=True))
        bare = replace(snapshot, policy=replace(snapshot.policy, input=(), output=()))
        table("without guards", await run(bare, runtime, requests, stream=False))
        await purse.close()
        records.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
