"""P8 on Anthropic's wire: whatever goes wrong with a provider, the official client sees one proper end, or an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import anthropic
import pytest
from tests.journeys.clients import WIRES, World, opened

from headgate.testing.upstream import Fault

SLOW = {"stall", "drip", "long_line"}
"""Faults that only time ends; the providers' own tests wait for them."""
FAULTS = sorted(set(get_args(Fault)) - SLOW - {"off"})

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("faults")) as found:
        yield found


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_stream_has_one_end(world: World, wire: str, fault: Fault) -> None:
    world.upstream.misbehave(fault, 99)
    seen: list[str] = []
    asked: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Can I return a device?"}]
    with anthropic.Anthropic(api_key=world.key, base_url=world.server.url, max_retries=0) as client:
        try:
            for event in client.messages.create(model=wire, max_tokens=200, messages=asked, stream=True):
                seen.append(event.type)
        except anthropic.APIStatusError as error:
            seen.append(str(error.type))
    assert seen[-1] in ("message_stop", "api_error", "invalid_request_error", "rate_limit_error", "overloaded_error")
    assert seen.count("message_stop") == (seen[-1] == "message_stop")
    assert seen[0] == "message_start" or len(seen) == 1
