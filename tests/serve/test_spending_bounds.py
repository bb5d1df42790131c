"""Requests that cannot be bounded by their bytes: refused under limits of money and tokens, allowed without them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.serve.conftest import PROJECT, World, end

from headgate.kernel import Exhausted, Rate, Rates, Unit, day
from headgate.models import Price, reach_of
from headgate.serve import Purse
from headgate.store import ledger

DOLLAR = 1_000_000_000
PRICE = Price(input="$10", output="$100")
WHOLE = Price(input="$10", output="$100", context=30_000)
VOICE = Price(input="$10", output="$100", audio_input="$400", audio_output="$800")
PAPER = {"type": "file", "file": {"file_data": "https://example.com/a.pdf"}}
FILM = {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "SUQzaaaa", "format": "mp3"}}


def limit(most: int = 100 * DOLLAR, unit: Unit = "cost") -> Rates:
    return (Rate(unit, "day", most),)


@pytest.fixture
async def paid(world: World) -> AsyncIterator[World]:
    world.edit("policies/support.yaml", "input:\n", "accept: [images, audio, video, files]\ninput:\n")
    policy = '  - pii: {action: mask}\n  - terms: {action: block, deny: ["NL-OVERRIDE"], reply: prompts/refuse}\n'
    world.edit("policies/support.yaml", f"output:\n{policy}", "")
    world.build()
    purse = Purse(world.records, world.runtime.clock)
    yield world.around(purse=purse, app_limits=limit())
    await purse.close()


def priced(world: World, price: Price | None) -> World:
    world.one.cost = world.two.cost = price
    return world


async def asked(world: World, part: Any = None, **body: Any) -> str:
    """Return the code it was refused with, empty when it was answered."""
    said = [{"type": "text", "text": "Hello there"}, *([part] if part else [])]
    try:
        answer = await world.ask([{"role": "user", "content": said}], **body)
    except Exhausted as problem:
        return f"{problem.code}: {problem.message} ({problem.hint})"
    return "" if answer.status == "answered" else answer.reason


def reserved(world: World) -> int:
    return int(next(stage["facts"]["bound_nano"] for stage in world.recorder.last.stages if stage["name"] == "reserve"))


@pytest.mark.parametrize(
    ("part", "body", "said"),
    [
        (PAPER, {}, "a file"),
        (FILM, {}, "'video_url'"),
        (SOUND, {}, "audio that it is sent"),
        (None, {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}, "audio that it answers in"),
        (None, {"modalities": ["text", "image"]}, "pictures that it answers in"),
        (None, {"modalities": ["smell"]}, "smell"),
    ],
    ids=["file", "film", "sound", "spoken", "drawn", "unknown"],
)
async def test_what_cannot_be_bounded_is_refused_only_where_money_is_limited(
    paid: World, part: Any, body: Any, said: str
) -> None:
    found = await asked(priced(paid, PRICE), part, **body)
    assert found.startswith("budget_unbounded: one/model") or found.startswith("budget_unbounded: two/model")
    assert said in found
    assert "so a budget cannot be kept (" in found
    assert not paid.one.calls
    assert (paid.recorder.last.status, paid.recorder.last.reason) == ("error", "budget_unbounded")
    assert await asked(paid.around(purse=None), part, **body) == ""


async def test_a_limit_of_tokens_needs_to_know_what_a_model_takes(paid: World) -> None:
    paid.around(app_limits=limit(200_000, "tokens"))
    assert (await asked(priced(paid, PRICE), PAPER)).startswith("budget_unbounded")
    assert await asked(priced(paid, WHOLE), PAPER) == ""
    paid.around(app_limits=limit(100_000, "tokens"))
    with pytest.raises(Exhausted) as caught:
        await paid.ask([{"role": "user", "content": [PAPER, {"type": "text", "text": "Hello there"}]}])
    assert caught.value.code == "tokens_exhausted"


async def test_another_target_that_can_be_bounded_is_asked(paid: World) -> None:
    paid.one.cost, paid.two.cost = PRICE, WHOLE
    assert await asked(paid, PAPER) == ""
    assert (len(paid.one.calls), len(paid.two.calls)) == (0, 1)
    assert reserved(paid) >= 30_000 * 10_000


async def test_audio_is_reserved_and_settled_at_its_own_price(paid: World) -> None:
    details = {"prompt_tokens_details": {"audio_tokens": 40}, "completion_tokens_details": {"audio_tokens": 1}}
    paid.one.says = [["Hello", end("Hello", usage=details)]]
    spoken = {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}
    assert await asked(priced(paid, VOICE), SOUND, **spoken) == ""
    kept = paid.recorder.last
    assert kept.cost_nano == (60 * 10 + 40 * 400 + 1 * 800) * 1_000
    assert reserved(paid) > 80 * 800_000
    assert paid.runtime.purse is not None
    await paid.runtime.purse.close()
    with paid.records.read() as tx:
        found = ledger.balance(tx, PROJECT, "app:support", "cost", day(paid.runtime.clock.now()))
    assert (found.settled, found.reserved) == (kept.cost_nano, 0)


async def test_what_a_providers_defaults_add_is_reserved(paid: World) -> None:
    assert await asked(priced(paid, PRICE)) == ""
    plain, body = reserved(paid), paid.one.calls[-1].body
    beside = {"prediction": {"type": "content", "content": "x" * 1_000}, "cache_control": {"ttl": "1h"}}
    paid.one.defaults = beside  # type: ignore[attr-defined]
    assert await asked(paid) == ""
    assert paid.one.calls[-1].body == body, "a provider adds them itself"
    more = reach_of({**beside, **body}).got - reach_of(body).got
    assert reserved(paid) - plain > more * 100_000 > 0


async def test_a_contract_that_limits_a_request_goes_on_to_who_can_be_bounded(world: World) -> None:
    world.edit("policies/support.yaml", "input:\n", "accept: [files]\ninput:\n")
    world.edit("contracts/support.yaml", "evidence:", "cost: {per_request: $9}\nevidence:")
    world.build().one.cost = PRICE
    assert await asked(world, PAPER) == ""
    assert (len(world.one.calls), len(world.two.calls)) == (0, 1), "what is free is bounded"
