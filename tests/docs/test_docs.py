"""What the documentation says is true: pages from code are fresh, commands exist, YAML parses, tutorials run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest
from pydantic import BaseModel

from headgate.kernel import plugins
from headgate.platform import operations
from headgate.release import read_project

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "src/headgate/templates/support"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), TEMPLATE / "README.md"]
EXECUTED = sorted([*(ROOT / "docs/tutorial").glob("*.md"), *(ROOT / "docs/how-to").glob("*.md")])
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.M | re.S)
EVERYWHERE = {"json", "project", "help", "key", "url"}
BY_HAND = {"init": {"template", "force"}, "serve": {"host", "port", "workers", "open"}, "doctor": set[str]()}


def blocks(page: Path, language: str) -> Iterator[str]:
    yield from (body for kind, body in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language)


def typed(page: Path) -> Iterator[str]:
    """Yield the commands of a page, continuation lines joined."""
    for body in blocks(page, "console"):
        for line in body.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield line[2:]


BEGINNING = list(typed(ROOT / "docs/how-to/roll-back.md"))[:6]
"""What most pages begin with, word for word. It is typed once, for training takes seconds, and each page goes on in a
copy."""


def options_of(words: list[str]) -> set[str] | None:
    """Return the options of the command that `words` begin with, None when there is no such command."""
    if words[0] in BY_HAND:
        return BY_HAND[words[0]]
    for row in operations.OPERATIONS:
        if row.words and tuple(words[: len(row.words)]) == row.words:
            module, _, name = row.target.partition(":")
            function = getattr(import_module(module), name)
            hints = typing.get_type_hints(function)
            model: type[BaseModel] = hints[list(signature(function).parameters)[1]]
            return {field.replace("_", "-") for field in model.model_fields}
    return None


def test_pages_from_code_are_fresh() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "docs/generate.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}run `make docs`{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_exists(page: Path) -> None:
    for line in typed(page):
        for part in re.findall(r"headgate ([a-z][^|;&)`]*)", line.partition("#")[0]):
            words = shlex.split(part)
            if words[0].startswith("-"):
                continue
            options = options_of(words)
            assert options is not None, f"no such command: headgate {part}"
            given = {word[2:].partition("=")[0] for word in words if word.startswith("--")}
            assert given <= options | EVERYWHERE, f"headgate {part}: {given - options}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_yaml_block_that_names_its_file_parses(page: Path, tmp_path: Path) -> None:
    for number, body in enumerate(blocks(page, "yaml")):
        first = body.splitlines()[0]
        named = re.match(r"^# ([a-z][\w/.-]*\.yaml)$", first)
        if not named:
            continue
        project = tmp_path / str(number)
        shutil.copytree(TEMPLATE, project)
        (project / named[1]).parent.mkdir(exist_ok=True)
        (project / named[1]).write_text(body, encoding="utf-8")
        if named[1] == "headgate.yaml":
            read_project(project)
        else:
            path = named[1].removesuffix(".yaml")
            kinds = {
                "apps": "app",
                "policies": "policy",
                "retrieval": "retrieval",
                "data": "dataset",
                "prices": "prices",
            }
            folder = path.partition("/")[0]
            kind = kinds.get(folder, folder.removesuffix("s"))
            assert plugins.load("kinds", kind).parse(project, path).digest


def follow(lines: Sequence[str], folder: Path) -> None:
    """Type lines into a shell that starts in `folder`; AssertionError: one ends otherwise than its page says."""
    script = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for line in lines:
        command, _, comment = line.partition("   # ")
        exits = re.search(r"exits (\d+)", comment)
        script.append(f"echo {shlex.quote('$ ' + command)}")
        if exits:
            script.append(f"( {command} ) && code=0 || code=$?; [ $code -eq {exits[1]} ] || exit 99")
        else:
            script.append(command)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which BEGINNING was typed."""
    folder = tmp_path_factory.mktemp("begun")
    follow(BEGINNING, folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_can_be_followed(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    lines = list(typed(page))
    if lines[: len(BEGINNING)] == BEGINNING:
        shutil.copytree(request.getfixturevalue("begun"), tmp_path, dirs_exist_ok=True)
        lines[: len(BEGINNING)] = ["cd support"]
    follow(lines, tmp_path)


def test_many_pages_begin_alike() -> None:
    """So that they are all followed, and quickly: a beginning that is written otherwise trains a model of its own."""
    assert len([page for page in EXECUTED if list(typed(page))[: len(BEGINNING)] == BEGINNING]) >= 5


def test_no_two_pages_serve_at_the_same_port() -> None:
    """Pages are followed at the same time, and by people who follow one after the other."""
    served = [port for page in EXECUTED for line in typed(page) for port in re.findall(r"serve --port (\d+)", line)]
    assert len(set(served)) == len(served) > 3


@pytest.mark.parametrize(
    "page", [ROOT / "AGENTS.md", *sorted((ROOT / "design").glob("*.md"))], ids=lambda page: page.name
)
def test_files_of_ours_that_a_page_names_exist(page: Path) -> None:
    for named in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", page.read_text(encoding="utf-8")):
        assert (ROOT / named).exists() or (ROOT / "src/headgate" / named).exists(), named
