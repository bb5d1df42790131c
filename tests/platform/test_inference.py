"""Where an inference is computed: small requests at once, large ones in a few threads, no more than can wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from headgate.kernel import Principal, Unavailable
from headgate.platform import Inference, Known
from headgate.platform.gateway import Pin
from headgate.platform.gateway import inference as module


@pytest.fixture
def inference() -> Iterator[Inference]:
    gateway: Any = None  # what runs where asks for no release
    made = Inference(gateway)
    yield made
    made.close()


async def test_a_small_request_is_answered_on_the_loop(inference: Inference) -> None:
    here = threading.get_ident()
    assert await inference.run(threading.get_ident, module.INLINE_BYTES) == here
    assert await inference.run(threading.get_ident, module.INLINE_BYTES + 1) != here


async def test_the_loop_goes_on_while_a_large_batch_is_computed(inference: Inference) -> None:
    begun, free = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        return "done" if free.wait(10) else "the loop stood still"

    running = asyncio.create_task(inference.run(work, 10**6))
    await asyncio.to_thread(begun.wait, 10)
    assert await inference.run(lambda: "small", 1) == "small"
    free.set()
    assert await running == "done"


async def test_too_many_large_batches_are_turned_away_and_the_next_is_taken_again(
    inference: Inference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    free = threading.Event()
    waiting = [asyncio.create_task(inference.run(lambda: free.wait(10), 10**6)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too many large batches") as problem:
        await inference.run(lambda: True, 10**6)
    assert problem.value.retry_after == 1  # type: ignore[attr-defined]
    free.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    assert await inference.run(lambda: True, 10**6)


async def test_what_the_work_raises_is_raised(inference: Inference) -> None:
    def work() -> None:
        raise ValueError("none of yours")

    for size in (1, 10**6):
        with pytest.raises(ValueError, match="none of yours"):
            await inference.run(work, size)


async def test_a_release_that_could_not_be_loaded_is_tried_again() -> None:
    snapshot: Any = SimpleNamespace(models={"models/router": SimpleNamespace(path="models/router", digest="sha256:a")})
    answers: list[Any] = [Unavailable("the blobs do not answer"), snapshot]

    async def get(project: str, digest: str) -> Any:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    rows = {("acme", "support"): {"prod": Pin("support", "prod", 1, "sha256:r")}}
    gateway: Any = SimpleNamespace(
        environments=SimpleNamespace(rows=rows), releases=SimpleNamespace(get=get), runtime=lambda project, pin: None
    )
    made, known = Inference(gateway), Known(Principal("person_a", "acme", frozenset({"app"})))
    try:
        with pytest.raises(Unavailable, match="the blobs do not answer"):
            await made.find(known, "router")
        for _ in range(2):  # the second time from memory
            assert (await made.find(known, "router")).snapshot is snapshot
    finally:
        made.close()
