"""How a gateway follows its environments: at once, cheaply, and never held up by a release that cannot be had."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.gateways import FILES, NAMES

from headgate.kernel import Corrupt, Principal
from headgate.platform import open_project, read_settings, run_operation
from headgate.platform.gateway import Gateway, build_gateway
from headgate.platform.wiring import Embedded
from headgate.serve import Snapshot

ADMIN = Principal("person_a", "acme", frozenset({"admin"}))


def do(root: Path, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = run_operation(operation, request, root, read_settings({}), lambda *_: None)
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A project with two releases, the second one served, and what was served before it."""
    root, made = tmp_path_factory.mktemp("gateway") / "project", list[str]()
    for name in NAMES:
        for file, text in FILES.items():
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("NAME", name).replace("type: echo", "type: scripted"), encoding="utf-8")
        if not made:
            do(root, "environment.apply", {})
        made.append(do(root, "release.create", {})["digest"])
        do(root, "release.promote", {"release": made[-1], "environment": "prod"})
    return root, made


@pytest.fixture
async def gateway(built: tuple[Path, list[str]], tmp_path: Path) -> AsyncIterator[Gateway]:
    root = Path(shutil.copytree(built[0], tmp_path / "project"))
    embedded = open_project(root, read_settings({}), writer=True)
    found = build_gateway(embedded, embedded.identity())
    await found.start()
    yield found
    await found.close()
    embedded.close()


async def move(embedded: Embedded, operation: str, **request: Any) -> None:
    await asyncio.to_thread(embedded.performer.perform, ADMIN, operation, {"environment": "prod", **request})


async def until(condition: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    for _ in itertools.takewhile(lambda _: not condition(), itertools.count()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def served(gateway: Gateway, wanted: str, within_s: float) -> None:
    """Wait until a new request would be answered by a release."""

    def is_served() -> bool:
        pin = gateway.environments.pin("acme", "support")
        return pin is not None and pin.release == wanted

    await until(is_served, within_s)


async def test_nothing_is_read_again_while_nothing_moves(gateway: Gateway, built: tuple[Path, list[str]]) -> None:
    rows = gateway.environments.rows
    await gateway.refresh()
    assert gateway.environments.rows is rows
    await move(gateway.embedded, "release.rollback")
    await served(gateway, built[1][0], 1)
    assert gateway.environments.rows is not rows


async def test_a_rollback_needs_no_blobs(gateway: Gateway, built: tuple[Path, list[str]]) -> None:
    """What was served before is in memory soon after a start, for the day the blobs cannot be read."""
    first, second = built[1]
    held = gateway.releases._held
    await until(lambda: isinstance(held.get(("acme", first)), Snapshot), 5)
    shutil.rmtree(gateway.embedded.root / ".headgate" / "blobs")
    await move(gateway.embedded, "release.rollback")
    await served(gateway, first, 1)
    assert (await gateway.releases.get("acme", first)).digest == first
    assert (await gateway.releases.get("acme", second)).digest == second


async def test_a_release_that_cannot_be_had_holds_nothing_up(
    gateway: Gateway, built: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blobs that stall, and many requests that wait for them, do not keep a rollback from being seen."""
    first, second = built[1]
    stalled, asked, get = threading.Event(), threading.Event(), gateway.embedded.store.blobs.get

    def stalling(digest: str) -> bytes:
        asked.set()
        stalled.wait(20)
        return get(digest)

    await move(gateway.embedded, "release.rollback")
    await served(gateway, first, 1)
    gateway.releases._held.pop(("acme", second))
    monkeypatch.setattr(gateway.embedded.store.blobs, "get", stalling)
    await move(gateway.embedded, "release.promote", release=second)
    await served(gateway, second, 2)
    waiting = [asyncio.create_task(gateway.releases.get("acme", second)) for _ in range(100)]
    await asyncio.to_thread(asked.wait, 5)
    began = time.monotonic()
    await move(gateway.embedded, "release.rollback")
    await served(gateway, first, 2)
    assert time.monotonic() - began < 2
    assert not any(task.done() for task in waiting)
    stalled.set()
    assert {snapshot.digest for snapshot in await asyncio.gather(*waiting)} == {second}


async def test_more_releases_are_kept_than_are_served(gateway: Gateway) -> None:
    assert gateway.releases.keep >= 2 * len(gateway.environments.rows)


async def test_a_waiting_request_that_leaves_does_not_end_the_load(
    gateway: Gateway, built: tuple[Path, list[str]]
) -> None:
    await until(lambda: not gateway._loading, 5)
    gateway.releases._held.clear()
    tasks = [asyncio.create_task(gateway.releases.get("acme", built[1][0])) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    assert (await tasks[0]).digest == (await tasks[2]).digest == built[1][0]


async def test_flipped_bytes_are_refused_and_become_one_incident(built: tuple[Path, list[str]], tmp_path: Path) -> None:
    """P16: whoever serves it tells it, once, however often it is asked for."""
    root = Path(shutil.copytree(built[0], tmp_path / "project"))
    for file in (root / ".headgate" / "blobs").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    embedded = open_project(root, read_settings({}), writer=True)
    gateway = build_gateway(embedded, embedded.identity())
    await gateway.start()
    try:
        for _ in range(3):
            with pytest.raises(Corrupt):
                await gateway.releases.get("acme", built[1][1])

        def told() -> list[dict[str, Any]]:
            found: dict[str, Any] = embedded.performer.perform(ADMIN, "incident.list", {})
            return [one for one in found["incidents"] if one["release"] == built[1][1]]

        await until(lambda: bool(told()), 5)
        [incident] = told()
        assert (incident["app"], incident["environment"], incident["source"]) == ("support", "prod", "integrity")
        assert "does not hold what its name says" in incident["detail"]["problem"]
    finally:
        await gateway.close()
        embedded.close()


async def test_whoever_looks_finds_what_was_answered_recorded(gateway: Gateway) -> None:
    """What waits for the loop's next turn, and what long conversations have done on a thread."""
    done: list[str] = []

    def long() -> None:
        time.sleep(0.1)
        done.append("long")

    gateway.afterwards(done.append, "short")
    gateway.looks.soon(10_000, long)
    await gateway.catch_up()
    assert done == ["short", "long"]
