"""Release create on 1 000 artifacts: build, upload and register; then again, when nothing is new.

python benchmarks/bench_release.py [--artifacts 1000] [--json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headgate.platform import Desk, open_project, read_settings
from headgate.release import ReleaseCreate, build, create

HEADGATE = "headgate: 1\nproject: bench\nproviders:\n  local: {type: extractive}\nenvironments:\n  dev: {}\n"
APP = """\
contract: contracts/support
route: {to: {default: {llm: main, prompt: prompts/answer}}}
llms: {main: [local/extractive]}
fallback: prompts/safe
"""


def write_project(root: Path, artifacts: int) -> None:
    """Write a project whose one app reaches `artifacts` artifacts: app, contract, prompt, template, refusal replies."""
    for folder in ("apps", "contracts", "prompts"):
        (root / folder).mkdir(parents=True)
    (root / "headgate.yaml").write_text(HEADGATE)
    (root / "apps/support.yaml").write_text(APP)
    (root / "prompts/answer.md").write_text("# system\n\nAnswer.\n\n# user\n\n{{ question }}\n")
    (root / "prompts/safe.md").write_text("A person will answer you.\n")
    rules = ["refuse:"]
    for number in range(artifacts - 4):
        (root / f"prompts/r{number:04}.md").write_text(f"We do not talk about subject {number}.\n")
        rules.append(f"  - rule: subject {number}\n    reply: prompts/r{number:04}")
    (root / "contracts/support.yaml").write_text("\n".join(rules) + "\n")


def silent(text: str, done: int, total: int) -> None:
    """Nobody looks."""


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = what()
    return time.perf_counter() - began, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        write_project(root, chosen.artifacts)
        rows = measure(root)
    if chosen.json:
        print(json.dumps(rows))
        return
    print(f"release create, {chosen.artifacts} artifacts, SQLite with synchronous=FULL")
    for name, seconds in rows.items():
        print(f"  {name:<42}{seconds * 1000:>10.0f} ms")


def measure(root: Path) -> dict[str, float]:
    """Time a build alone, the first create, one after an edit, and one when nothing is new, in seconds."""
    project = open_project(root, read_settings())
    connection = project.in_process(silent)
    desk = Desk(root, connection, silent)
    try:
        built, _ = timed(lambda: build(root, "support"))
        first, result = timed(lambda: create(desk, ReleaseCreate()))
        assert result.new
        (root / "prompts/r0000.md").write_text("We do not talk about this.\n")
        edited, other = timed(lambda: create(desk, ReleaseCreate()))
        assert other.new
        again, same = timed(lambda: create(desk, ReleaseCreate()))
        assert not same.new
    finally:
        connection.close()
    return {
        "build from files": built,
        "create, everything new": first,
        "create, one prompt edited": edited,
        "create, nothing new": again,
    }


if __name__ == "__main__":
    main()
