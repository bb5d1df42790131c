"""The prices that a release pins come before what providers say themselves, in reservations and in bills."""

from __future__ import annotations

import pytest
from tests.serve.conftest import World, end

from headgate.kernel import Exhausted, Rate
from headgate.models import Price
from headgate.serve import Purse

ASK = "Hello there"
LIST = "prices:\n  one/model: {input: $1000, output: $2000, cached: $100, reasoning: $4000}\n"


def price(world: World, text: str = LIST) -> World:
    world.write("prices/list.yaml", text)
    world.edit("apps/support.yaml", "fallback: prompts/safe", "prices: prices/list\nfallback: prompts/safe")
    return world.build()


async def test_a_pinned_price_is_used_first(world: World) -> None:
    world.one.cost = Price(input="$1", output="$1")
    price(world)
    usage = {"prompt_tokens_details": {"cached_tokens": 40}, "completion_tokens_details": {"reasoning_tokens": 2}}
    world.one.says = [["Hi there friend", end("Hi there friend", usage=usage)]]
    given = await world.ask(ASK)
    assert given.cost_nano == (60 * 1000 + 40 * 100 + 1 * 2000 + 2 * 4000) * 1000


async def test_what_the_list_leaves_out_is_priced_as_before(world: World) -> None:
    world.two.cost = Price(input="$1", output="$1")
    price(world)
    world.edit("apps/support.yaml", "[one/model, two/model]", "[two/model]")
    given = await world.build().ask(ASK)
    assert given.cost_nano == (100 + len(given.text.split())) * 1000


async def test_a_model_that_nobody_prices_is_bounded_by_the_list(world: World) -> None:
    world.one.cost = world.two.cost = None
    world.build()
    purse = Purse(world.records, world.runtime.clock)
    limits = (Rate("cost", "day", 100 * 1_000_000_000),)
    world.around(purse=purse, app_limits=limits)
    with pytest.raises(Exhausted, match="no known price"):
        await world.ask(ASK)
    price(world)
    given = await world.ask(ASK)
    assert given.status == "answered"
    assert given.cost_nano == 100 * 1_000_000 + len(given.text.split()) * 2_000_000
    await purse.close()


async def test_a_price_list_is_part_of_the_release(world: World) -> None:
    plain = world.build().snapshot.digest
    first = price(world).snapshot.digest
    world.edit("prices/list.yaml", "$1000", "$1001")
    assert len({plain, first, world.build().snapshot.digest}) == 3
