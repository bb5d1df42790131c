"""Releases in memory: verified when loaded, loaded once, bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.serve.conftest import PROJECT, World, router

from headgate.kernel import Corrupt, NotFound
from headgate.serve import Releases, load, releases
from headgate.serve.snapshot import compile_release
from headgate.store import Blobs, tables


async def test_a_release_is_loaded_once_however_many_ask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, loads = world.pin(), []

    def counted(*arguments: Any) -> Any:
        loads.append(arguments)
        return compile_release(*arguments)

    monkeypatch.setattr("headgate.serve.releases.compile_release", counted)
    cache = Releases(world.records, world.blobs)
    found = await asyncio.gather(*(cache.get(PROJECT, digest) for _ in range(20)))
    assert len(loads) == 1
    assert all(snapshot is found[0] for snapshot in found)
    assert cache.take(PROJECT, digest) is found[0]


async def test_the_oldest_used_release_goes(world: World) -> None:
    cache = Releases(world.records, world.blobs, keep=2)
    digests = []
    for number in range(3):
        world.write("prompts/safe.md", f"Text {number}")
        digests.append(world.pin())
    first, second = await cache.get(PROJECT, digests[0]), await cache.get(PROJECT, digests[1])
    assert await cache.get(PROJECT, digests[0]) is first
    assert (await cache.get(PROJECT, digests[2])).fallback == "Text 2"
    assert await cache.get(PROJECT, digests[0]) is first
    assert await cache.get(PROJECT, digests[1]) is not second


async def test_a_load_that_fails_is_forgotten(world: World) -> None:
    cache = Releases(world.records, world.blobs)
    missing = "sha256:" + "0" * 64
    for _ in range(2):
        with pytest.raises(NotFound):
            await cache.get(PROJECT, missing)
    assert (await cache.get(PROJECT, world.pin())).app == "support"


async def test_another_project_sees_nothing(world: World) -> None:
    with pytest.raises(NotFound):
        await Releases(world.records, world.blobs).get("other", world.pin())


def test_one_changed_character_is_another_release(world: World) -> None:
    digest = world.pin()
    assert world.pin() == digest
    for name, old, new in [
        ("prompts/answer.md", "Answer", "answer"), ("corpus/returns.md", "30", "31"),
        ("prompts/safe.md", "will", "may"),
        ("policies/support.yaml", "NL-OVERRIDE", "NL-OVERRIDES"), ("apps/support.yaml", "0.6", "0.7"),
    ]:  # fmt: skip
        world.edit(name, old, new)
        assert world.pin() != digest
        world.edit(name, new, old)
    assert world.pin() == digest


@pytest.mark.parametrize("kind", ["app", "prompt", "policy", "retrieval", "contract", "model", "release"])
def test_a_changed_document_is_not_served(world: World, kind: str) -> None:
    digest = world.pin()
    with world.records.begin() as tx:
        row = tx.one(tables.artifact.select().where(tables.artifact.c.kind == kind))
        assert row is not None
        tx.execute(
            update(tables.artifact)
            .where(tables.artifact.c.digest == row["digest"])
            .values(document={**row["document"], "extra": 1})
        )
    with pytest.raises(Corrupt), world.records.read() as tx:
        load(tx, PROJECT, world.blobs, digest)


def test_changed_bytes_of_a_model_are_not_served(world: World, tmp_path: Path) -> None:
    blobs = Blobs(f"file://{tmp_path}/blobs")
    world.blobs = blobs
    digest = world.pin()
    name = router().document["file"].removeprefix("sha256:")
    files = [
        file
        for file in (tmp_path / "blobs").rglob("*")
        if file.is_file() and name[4:] in file.as_posix().replace("/", "")
    ]
    assert files
    content = files[0].read_bytes()
    files[0].chmod(0o644)
    files[0].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(Corrupt), world.records.read() as tx:
        load(tx, PROJECT, blobs, digest)


def test_a_label_without_a_route_is_not_served(world: World) -> None:
    world.edit(
        "apps/support.yaml", "    default: {llm: main, prompt: prompts/answer, retrieval: retrieval/handbook}\n", ""
    )
    digest = world.pin()
    with pytest.raises(Exception, match="'other' of the router has no route"), world.records.read() as tx:
        load(tx, PROJECT, world.blobs, digest)


def test_the_module_is_what_platform_wires() -> None:
    assert releases.Releases is Releases
