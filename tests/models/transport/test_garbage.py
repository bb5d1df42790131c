"""A call that failed leaves nothing of ours that only the garbage collector could free."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import aclosing, suppress
from typing import Any

import pytest

from headgate.models import Call, ProviderError, Providers
from headgate.testing.upstream import Upstream, running


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[str, Upstream]]:
    with running() as found:
        yield found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["cut_after", "cut_before", "500", "garbage"])
async def test_a_failed_call_leaves_no_cycle_of_ours(upstream: tuple[str, Upstream], fault: Any, stream: bool) -> None:
    url, server = upstream
    provider = Providers({"lab": {"type": "openai", "base_url": url, "key": "k"}}).get("lab")
    call = Call("m", {"messages": [{"role": "user", "content": "hi"}]}, stream=stream)

    async def once() -> None:
        server.misbehave(fault, 1)
        with suppress(ProviderError):
            async with aclosing(provider.chat(call)) as events:  # type: ignore[type-var]
                async for _ in events:
                    pass

    await once()
    await asyncio.sleep(0.1)
    gc.collect(1)  # what is young may be rubbish already
    gc.freeze()  # and what is left of a whole test run need not be looked through
    gc.disable()
    try:
        for _ in range(3):
            await once()
        await asyncio.sleep(0.1)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        ours = {type(found).__qualname__ for found in gc.garbage if type(found).__module__.startswith("headgate")}
        frames = {found.f_code.co_qualname for found in gc.garbage if type(found).__name__ == "frame"}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()
        await provider.close()
    assert (ours, frames) == (set(), set())
