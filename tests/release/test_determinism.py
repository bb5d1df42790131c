"""The same files give the same release wherever they lie; one changed character gives another."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from headgate.release import build


@pytest.fixture
def copy(world: Any, tmp_path: Path) -> Path:
    target = tmp_path / "elsewhere" / "deep" / "copy"
    shutil.copytree(world.root, target)
    return target


def rewrite(root: Path, change: Any) -> None:
    for file in root.rglob("*.*"):
        if file.is_file():
            file.write_bytes(change(file))


def test_a_copy_on_another_path_is_the_same_release(world: Any, copy: Path) -> None:
    assert build(copy, "support").release.digest == build(world.root, "support").release.digest


def test_file_times_crlf_and_comments_change_nothing(world: Any, copy: Path) -> None:
    before = build(world.root, "support").release.digest
    for file in copy.rglob("*.yaml"):
        file.write_text("# a comment\n" + file.read_text() + "# another\n")
    rewrite(copy, lambda file: file.read_bytes().replace(b"\n", b"\r\n"))
    for file in copy.rglob("*.*"):
        os.utime(file, (1, 1))
    assert build(copy, "support").release.digest == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("prompts/answer.md", "shortly", "Shortly"),
        ("prompts/safe.md", "you.", "you!"),
        ("apps/support.yaml", "bot/one", "bot/two"),
        ("headgate.yaml", "type: scripted,", "type: scripted, revision: r2,"),
    ],
)
def test_what_can_change_an_answer_changes_the_release(world: Any, copy: Path, file: str, old: str, new: str) -> None:
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new))
    assert build(copy, "support").release.digest != build(world.root, "support").release.digest


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("headgate.yaml", "project: acme-support", "project: other"),
        ("headgate.yaml", "at_least: 0.9", "at_least: 0.8"),
        ("suites/golden.yaml", "question c05", "question c5"),
        ("contracts/support.yaml", "p95: 2s", "p95: 3s"),
    ],
)
def test_how_it_is_judged_does_not(world: Any, copy: Path, file: str, old: str, new: str) -> None:
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new))
    assert build(copy, "support").release.digest == build(world.root, "support").release.digest


def test_a_providers_address_and_key_are_settings(world: Any, copy: Path) -> None:
    provider = "bot: {type: openai, base_url: %s, key: '%s'}"
    digests = []
    for url, key in (("http://a:1/v1", "${env:KEY_A}"), ("http://b:2/v1", "${env:KEY_B}"), ("'${env:URL}'", "k")):
        text = (world.root / "headgate.yaml").read_text().splitlines()
        text[3] = "  " + provider % (url, key)
        (copy / "headgate.yaml").write_text("\n".join(text))
        digests.append(build(copy, "support").release.digest)
    assert len(set(digests)) == 1
    assert digests[0] != build(world.root, "support").release.digest


def test_the_same_files_register_once(world: Any) -> None:
    from headgate.release import ReleaseCreate, create

    first, second = (create(world, ReleaseCreate()) for _ in range(2))
    assert (first.new, second.new) == (True, False)
    assert first.digest == second.digest


def test_the_digest_of_a_manifest_never_changes() -> None:
    from headgate.kernel import Draft, document_of
    from headgate.release import Manifest, Pin

    manifest = Manifest(
        app="support",
        pins={"apps/support": Pin(kind="app", digest="sha256:" + "a" * 64)},
        providers={"local/extractive": {"type": "extractive", "model": "extractive", "behaviour": 1}},
    )
    draft = Draft("release", 1, "releases/support", document_of(manifest))
    assert draft.digest == "sha256:ee2180d8b034fc0650ff68ba9a5d0715e2eca13e91366a6ce348f296c07f9ec6"
