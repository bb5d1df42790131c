"""Overhead of evaluation per case: a suite against a scripted provider that answers at once.

    python benchmarks/bench_suite.py [--cases 400] [--json]

What is left is ours: the execution path, the scorers, the journal's commit before a call is used, and the case's own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from headgate.kernel import Request as Question
from headgate.kernel import SystemClock, new_trace_id
from headgate.models import Providers
from headgate.platform import Desk, open_project, read_settings
from headgate.release import Eval, evaluate
from headgate.serve import Runtime, execute, load
from headgate.store import tables

HEADGATE = """\
headgate: 1
project: bench
providers:
  bot: {type: scripted, script: ["You have 30 days to send it back."]}
environments:
  dev: {}
"""
APP = """\
contract: contracts/support
route: {to: {default: {llm: main, prompt: prompts/answer}}}
llms: {main: [bot/one]}
fallback: prompts/safe
"""


class Nowhere:
    """Takes records and forgets them."""

    def record(self, record: object) -> None:
        """Nothing."""


def write_project(root: Path, cases: int) -> None:
    for folder in ("apps", "contracts", "prompts", "suites"):
        (root / folder).mkdir(parents=True)
    (root / "headgate.yaml").write_text(HEADGATE)
    (root / "apps/support.yaml").write_text(APP)
    (root / "contracts/support.yaml").write_text("input: chat\n")
    (root / "prompts/answer.md").write_text("# system\n\nAnswer.\n\n# user\n\n{{ question }}\n")
    (root / "prompts/safe.md").write_text("A person will answer you.\n")
    expect = "  expect:\n    - contains: 30 days\n    - not-contains: never\n"
    scenarios = [f"- id: c{number:05}\n  input: May I return item {number}?\n{expect}" for number in range(cases)]
    (root / "suites/golden.yaml").write_text("".join(scenarios))


def silent(text: str, done: int, total: int) -> None:
    """Nobody looks."""


def measure(root: Path, cases: int) -> dict[str, float]:
    """Time the same questions through `answer` alone and through a whole evaluation, in seconds."""
    project = open_project(root, read_settings())
    connection = project.in_process(silent)
    try:
        began = time.perf_counter()
        result = evaluate(Desk(root, connection, silent), Eval())
        whole = time.perf_counter() - began
        assert result.summary["suites"]["suites/golden"]["pass"] == cases, result.summary
        with project.store.records.read() as tx:
            release = tx.one(tables.release.select())
            assert release is not None
            snapshot = load(tx, project.name, project.store.blobs, release["digest"])
        runtime = Runtime(Providers(project.providers), Nowhere(), SystemClock(), source="evaluation")

        async def alone() -> None:
            for number in range(cases):
                messages = [{"role": "user", "content": f"May I return item {number}?"}]
                await execute(snapshot, Question(id=new_trace_id(), body={"messages": messages}), runtime)

        began = time.perf_counter()
        asyncio.run(alone())
        bare = time.perf_counter() - began
    finally:
        connection.close()
    return {"execution path alone": bare, "evaluation, all of it": whole, "evaluation's overhead": whole - bare}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        write_project(root, chosen.cases)
        rows = measure(root, chosen.cases)
    if chosen.json:
        print(json.dumps(rows))
        return
    print(f"{chosen.cases} cases, scripted provider without delay, SQLite with synchronous=FULL")
    for name, seconds in rows.items():
        print(f"  {name:<28}{seconds * 1000:>9.0f} ms{seconds / chosen.cases * 1e6:>12.0f} µs a case")


if __name__ == "__main__":
    main()
