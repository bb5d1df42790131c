"""The command line as people and scripts use it: exit codes, errors in one message, JSON, options of each command."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from headgate.__main__ import serve
from headgate.cli import run
from headgate.cli.main import group_help, match, overview
from headgate.cli.options import fields_of, request_of
from headgate.kernel import HeadgateError
from headgate.platform import COMMANDS, GROUPS, OPERATIONS, Operation, resolve

HEADGATE = Path(sys.executable).with_name("headgate")


def spawned(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")} | environment
    return subprocess.run([str(HEADGATE), *words], cwd=cwd, env=clean, capture_output=True, text=True, timeout=60)


def headgate(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in this process: the same code, without starting Python each time."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        for name in [name for name in os.environ if name.startswith("HEADGATE_")]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        if cwd:
            patch.chdir(cwd)
        code = run(words, serve)
    return subprocess.CompletedProcess(words, code, stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "headgate.yaml").write_text("headgate: 1\nproject: acme\n", encoding="utf-8")
    return tmp_path


def test_help_names_every_command() -> None:
    text = overview()
    for name in [*COMMANDS, *GROUPS, *(row.words[0] for row in OPERATIONS if row.words)]:
        assert name in text
    for group in GROUPS:
        assert all(" ".join(row.words) in group_help(group) for row in OPERATIONS if row.words[:1] == (group,))
        assert len(group_help(group).splitlines()) > 2, f"the group {group} is empty"


@pytest.mark.parametrize("operation", [row for row in OPERATIONS if row.words], ids=lambda row: row.name)
def test_the_words_of_a_command_lead_to_its_row(operation: Operation) -> None:
    assert match([*operation.words, "--json"]) == (operation, ["--json"])


@pytest.mark.parametrize("operation", [row for row in OPERATIONS if row.words], ids=lambda row: row.name)
def test_every_command_has_options_with_help(operation: Operation) -> None:
    for field in fields_of(resolve(operation).request):
        assert field.help, f"{operation.name}: {field.name} has no description"
        assert field.sort != "json", f"{operation.name}: {field.name} cannot be typed"


@pytest.mark.parametrize(
    ("name", "values", "options", "found"),
    [
        ("release.promote", ["a1", "prod"], {}, {"release": "a1", "environment": "prod"}),
        ("release.promote", ["a1"], {"environment": "prod"}, {"release": "a1", "environment": "prod"}),
        ("release.promote", ["prod"], {"release": "a1"}, {"release": "a1", "environment": "prod"}),
        ("release.diff", ["a", "b"], {}, {"a": "a", "b": "b"}),
        ("eval", ["a1"], {"suite": ("suites/golden",)}, {"release": "a1", "suite": ["suites/golden"]}),
        ("eval", [], {}, {}),
        ("environment.apply", ["prod"], {}, {"environment": "prod"}),
        ("key.create", ["person_b"], {"role": ("app", "viewer")}, {"person": "person_b", "role": ["app", "viewer"]}),
        ("feedback.add", ["t1"], {"rating": "down"}, {"trace_id": "t1", "rating": "down"}),
        ("check", [], {}, {}),
    ],
)
def test_words_and_options_become_a_request(
    name: str, values: Sequence[str], options: dict[str, Any], found: dict[str, Any]
) -> None:
    row = next(row for row in OPERATIONS if row.name == name)
    assert request_of(fields_of(resolve(row).request), values, options) == found


@pytest.mark.parametrize(("name", "values"), [("release.promote", ["a", "b", "c"]), ("release.promote", ["a"]),
                                              ("check", ["x"]), ("key.create", [])])  # fmt: skip
def test_a_word_too_many_or_too_few_is_wrong_use(name: str, values: Sequence[str]) -> None:
    row = next(row for row in OPERATIONS if row.name == name)
    with pytest.raises(HeadgateError) as caught:
        request_of(fields_of(resolve(row).request), values, {})
    assert caught.value.exit_code == 2
    assert caught.value.hint


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["relase", "list"], 2, "release"),
        (["release", "lst"], 2, "release list"),
        (["key", "create", "person_b", "--rol", "app"], 2, "--role"),
        (["key", "create", "person_b", "--role", "viewr"], 2, "viewer"),
        (["key", "create"], 2, "PERSON"),
        (["key", "revoke", "key_none"], 4, "key list"),
        (["key", "list", "extra"], 2, "extra"),
        (["release", "show", "nothing"], 4, ""),
        (["trace", "show", "0123456789"], 4, "trace list"),
        (["audit", "list", "--limit", "0"], 2, "--limit"),
        (["audit", "list", "--limit", "many"], 2, "--limit"),
        (["job", "show", "job_none"], 4, ""),
        (["check", "--project", "nowhere"], 2, "nowhere"),
        (["init"], 2, "DIR"),
        (["init", ".", "--template", "suport"], 2, "support"),
        (["serve", "--port", "many"], 2, "many"),
        (["serve", "--wrokers", "2"], 2, "--wrokers"),
    ],
)
def test_mistakes_get_one_message_with_a_way_out(project: Path, words: list[str], code: int, said: str) -> None:
    done = headgate(*words, cwd=project)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert done.stdout == ""


def test_the_installed_command_does_the_same(project: Path) -> None:
    done = spawned("key", "revoke", "key_none", "--json", cwd=project)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (4, "not_found")
    assert done.stderr.startswith("error: ")
    assert spawned("release", "lst", cwd=project).returncode == 2


def test_a_file_error_names_file_line_and_key(project: Path) -> None:
    (project / "headgate.yaml").write_text("headgate: 1\nproject: acme\nenvironmnts: {}\n", encoding="utf-8")
    done = headgate("key", "list", cwd=project)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("error: headgate.yaml:3: environmnts: ")
    assert "environments" in done.stderr
    assert not (project / ".headgate").exists(), "nothing is written when a file is wrong"


def test_outside_a_project_the_way_in_is_told(tmp_path: Path) -> None:
    done = headgate("release", "list", cwd=tmp_path)
    assert done.returncode == 4
    assert "headgate init" in done.stderr


def test_results_are_json_for_scripts_and_text_for_people(project: Path) -> None:
    made = headgate("key", "create", "person_b", "--role", "admin", "--json", cwd=project)
    assert made.returncode == 0, made.stderr
    token = json.loads(made.stdout)["token"]
    listed = headgate("key", "list", cwd=project, HEADGATE_KEY=token)
    assert "person_b" in listed.stdout
    assert "\033[" not in listed.stdout, "no colours where nobody watches"
    entries = json.loads(headgate("audit", "list", "--json", cwd=project).stdout)["entries"]
    assert [entry["action"] for entry in entries] == ["key.create"]
    assert headgate("audit", "verify", cwd=project).returncode == 0


def test_errors_are_json_too_when_asked(project: Path) -> None:
    done = headgate("key", "revoke", "key_none", "--json", cwd=project)
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "not_found"
    assert done.stderr.startswith("error: ")


def test_a_key_decides_who_acts(project: Path) -> None:
    viewer = json.loads(headgate("key", "create", "intruder", "--role", "viewer", "--json", cwd=project).stdout)[
        "token"
    ]
    done = headgate("key", "create", "x", "--role", "app", cwd=project, HEADGATE_KEY=viewer)
    assert done.returncode == 3
    assert headgate("key", "list", cwd=project, HEADGATE_KEY="hg_wrong_key").returncode == 3


def test_a_broken_log_is_an_answer_with_exit_code_100(project: Path) -> None:
    import sqlite3

    headgate("key", "create", "person_b", "--role", "admin", cwd=project)
    with sqlite3.connect(project / ".headgate" / "records.db") as records:
        records.execute("UPDATE audit SET actor = 'intruder'")
    records.close()
    done = headgate("audit", "verify", "--json", cwd=project)
    assert done.returncode == 100
    assert json.loads(done.stdout)["at_seq"] == 1


def test_a_project_is_private_and_kept_out_of_git(project: Path) -> None:
    headgate("key", "list", cwd=project)
    folder = project / ".headgate"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "secret").stat().st_mode & 0o077 == 0
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_command_works_below_the_project_and_with_its_name(project: Path, tmp_path: Path) -> None:
    below = project / "apps" / "deep"
    below.mkdir(parents=True)
    assert headgate("key", "list", cwd=below).returncode == 0
    assert headgate("key", "list", "--project", str(project), cwd=Path("/")).returncode == 0


def test_an_unreachable_server_is_told(project: Path) -> None:
    done = headgate("key", "list", cwd=project, HEADGATE_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "HEADGATE_URL" in done.stderr
    assert headgate("key", "list", cwd=project, HEADGATE_URL="nonsense").returncode == 2


def test_a_defect_is_one_message_unless_debugging(project: Path) -> None:
    (project / ".headgate").mkdir(mode=0o700)
    (project / ".headgate" / "records.db").write_bytes(b"this is no database" * 100)
    done = headgate("key", "list", cwd=project)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Traceback" in headgate("key", "list", cwd=project, HEADGATE_DEBUG="1").stderr


def test_help_of_a_command_shows_words_and_options(project: Path) -> None:
    done = headgate("release", "promote", "--help", cwd=project)
    assert done.returncode == 0
    assert "RELEASE ENVIRONMENT" in done.stdout
    for option in ("--environment", "--generation", "--json", "--project"):
        assert option in done.stdout


def test_the_version_is_told() -> None:
    import headgate as package

    assert headgate("--version").stdout == f"headgate {package.__version__}\n"
