"""`init` writes a project and spares what is there; `doctor` looks and says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.cli.local import TEMPLATES, write_template
from headgate.kernel import Conflict, HeadgateError, InvalidInput
from headgate.platform import examine, read_settings

HEADGATE = Path(sys.executable).with_name("headgate")


def test_a_template_is_copied_whole(tmp_path: Path) -> None:
    files = write_template(tmp_path / "new" / "project", "support", False)
    assert "headgate.yaml" in files
    for name in files:
        assert (tmp_path / "new" / "project" / name).read_bytes() == (TEMPLATES / "support" / name).read_bytes()
    assert not [name for name in files if "__pycache__" in name]


def test_a_folder_with_something_in_it_is_spared(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(Conflict):
        write_template(tmp_path, "support", False)
    assert [file.name for file in tmp_path.iterdir()] == ["precious.txt"]
    write_template(tmp_path, "support", True)
    assert (tmp_path / "precious.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["suport", "../support", "", "."])
def test_only_templates_are_copied(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        write_template(tmp_path / "new", name, False)
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(HeadgateError):
        write_template(tmp_path / "file", "support", True)


def test_init_says_what_comes_next(tmp_path: Path) -> None:
    done = subprocess.run([str(HEADGATE), "init", str(tmp_path / "p")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "headgate check" in done.stdout


def test_doctor_finds_a_sound_project(tmp_path: Path) -> None:
    (tmp_path / "headgate.yaml").write_text("headgate: 1\nproject: acme\n", encoding="utf-8")
    found = {finding.name: finding for finding in examine(tmp_path, read_settings({"HEADGATE_PORT": "0"}))}
    assert {"python", "disk", "project", "database", "privacy", "keys", "port"} <= set(found)
    assert not [name for name, finding in found.items() if finding.ok is False]


def test_doctor_names_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    text = "headgate: 1\nproject: acme\nproviders:\n  lab: {type: openai, key: '${env:NO_SUCH_KEY}'}\n"
    (tmp_path / "headgate.yaml").write_text(text, encoding="utf-8")
    settings = read_settings({"HEADGATE_PORT": "many"})
    found = {finding.name: finding for finding in examine(tmp_path, settings)}
    assert "NO_SUCH_KEY" in found["environment variable"].found
    assert found["port"].hint
    os.chmod(tmp_path / ".headgate", 0o755)
    found = {finding.name: finding for finding in examine(tmp_path, settings)}
    assert found["privacy"].ok is False


def test_doctor_outside_a_project_ends_with_1(tmp_path: Path) -> None:
    done = subprocess.run([str(HEADGATE), "doctor", "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert findings["project"]["ok"] is False
    assert "headgate init" in findings["project"]["hint"]
