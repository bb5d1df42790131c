"""P12 at run time: what a provider refuses for its content is asked of nobody else and not again, in any chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.serve.conftest import World, end

from headgate.models import Delta, ProviderError
from headgate.serve import Targets

LLMS = "llms: {main: [one/model, two/model]}"
CHAINS = {
    "chain": "[one/model, two/model]",
    "a chain that asks again": "{targets: [one/model, two/model], retries: 5}",
    "equal": "{targets: [{any: [one/model, two/model]}]}",
    "equal by weight": "{targets: [{any: [{one/model: 9}, {two/model: 1}]}], retries: 3}",
    "hedge": "{targets: [one/model, two/model], hedge: 30s}",
    "with places": "{targets: [one/model, two/model], limits: {one/model: {concurrent: 1}}}",
}
WAYS: Mapping[str, Any] = {
    "an error": ProviderError("no", code="content_filter"),
    "an error that calls itself retryable": ProviderError("no", code="content_filter", retryable=True),
    "an end without a word": [end("", "content_filter")],
    "an end after words": [["I will", end("I will", "content_filter")]][0],
    "an error after words": ["I will", ProviderError("no", code="content_filter")],
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("chain", CHAINS)
async def test_nobody_else_is_asked(world: World, chain: str, way: str, stream: bool) -> None:
    world.edit("apps/support.yaml", LLMS, f"llms: {{main: {CHAINS[chain]}}}")
    world.build().around(targets=Targets(world.runtime.clock.monotonic))
    world.one.says = world.two.says = [WAYS[way]]
    given = await world.ask("Hello there", stream)
    assert len(world.one.calls) + len(world.two.calls) == 1
    assert given.status != "answered"
    assert "content_filter" in (given.reason, given.finish_reason)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_providers_own_refusal_leaves_as_one(built: World, stream: bool) -> None:
    built.one.says = [[Delta("I will ", refusal=True), Delta("not do it.", refusal=True),
                       end("I will not do it.", message={"refusal": "I will not do it."})]]  # fmt: skip
    *heard, given = await built.events("Hello there", stream)
    assert given.text == "I will not do it."
    assert heard
    assert all(event.refusal for event in heard)
    built.one.says = ["Hello."]
    *heard, given = await built.events("Hello there", stream)
    assert not any(event.refusal for event in heard)
