"""Money: integers, rounded up, and a bound that no answer can pass."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel import Usage
from headgate.models import FREE, MAX_OUTPUT_TOKENS, Call, Price, Tokens, cost, listed_cost, output_limit
from headgate.models import bound as bound_or_none
from headgate.models.prices import known_price
from headgate.models.wires.openai_chat import encode_request

PRICE = Price.model_validate({"input": "$0.25", "output": "$2"})


def bound(price: Price, body: dict[str, Any], tries: int = 1) -> int:
    found = bound_or_none(price, body, tries)
    assert found is not None
    return found


def test_cost_is_nano_dollars_rounded_up() -> None:
    assert PRICE.input == 250_000_000
    assert cost(PRICE, Usage(1_000_000, 0)) == 250_000_000
    assert cost(PRICE, Usage(1, 1)) == 2250
    assert cost(Price.model_validate({"input": 0.0000001, "output": 0}), Usage(1, 0)) == 1
    assert cost(None, Usage(10, 10)) == 0
    assert cost(FREE, Usage(10, 10)) == 0


@given(st.text(max_size=300), st.integers(1, 5000), st.integers(1, 4), st.integers(1, 3))
def test_a_bound_holds_for_any_answer_within_the_limit_that_is_sent(text: str, limit: int, n: int, tries: int) -> None:
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": limit, "n": n}
    sent = encode_request(Call("m", body))
    assert sent["max_tokens"] == limit
    worst = Usage(len(text.encode("utf-8", "replace")), limit * n)
    assert bound(PRICE, body, tries) >= tries * cost(PRICE, worst)


def test_a_call_without_limit_is_sent_one() -> None:
    assert output_limit({}) == MAX_OUTPUT_TOKENS
    assert encode_request(Call("m", {"messages": []}))["max_tokens"] == MAX_OUTPUT_TOKENS
    assert encode_request(Call("m", {"max_tokens": 5}), "max_completion_tokens")["max_completion_tokens"] == 5


def test_an_image_link_counts_as_the_most_it_can_cost() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    plain = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "max_tokens": 1}
    image = {"messages": [{"role": "user", "content": [part]}], "max_tokens": 1}
    assert bound(PRICE, image) - bound(PRICE, plain) > cost(PRICE, Usage(48_169, 0))


def test_public_prices_are_known_and_unknown_models_are_not() -> None:
    found = known_price("gpt-5-mini", "https://api.openai.com/v1")
    assert found is not None
    assert (found.input, found.output) == (PRICE.input, PRICE.output)
    assert found.cached is not None
    assert found.cached < found.input
    assert known_price("nobody-knows-this", "https://api.openai.com/v1") is None
    assert known_price("gpt-5-mini", "http://gpu-1:8000/v1") is None


FULL = Price.model_validate(
    {
        "input": "$4", "output": "$10", "cached": "$1", "written": "$5", "reasoning": "$20",
        "tiers": [{"above": 1_000, "input": "$8", "output": "$15"}, {"above": 5_000, "input": "$9", "output": "$9"}],
    }
)  # fmt: skip


def details(cached: int = 0, written: int = 0, thought: int = 0) -> dict[str, Any]:
    given = {"cached_tokens": cached, "cache_write_tokens": written}
    return {"prompt_tokens_details": given, "completion_tokens_details": {"reasoning_tokens": thought}}


@pytest.mark.parametrize(
    ("usage", "reported", "dollars_per_million"),
    [
        (Usage(1_000, 100), None, 4_000 + 1_000),
        (Usage(1_000, 100), details(cached=400), 600 * 4 + 400 * 1 + 1_000),
        (Usage(1_000, 100), details(cached=400, written=600), 400 * 1 + 600 * 5 + 1_000),
        (Usage(1_000, 100), details(thought=60), 4_000 + 40 * 10 + 60 * 20),
        (Usage(1_000, 100), details(cached=9_999, written=9_999, thought=9_999), 1_000 + 100 * 20),
        (Usage(1_001, 100), details(cached=400), 1_001 * 8 + 100 * 15),
        (Usage(5_001, 100), details(), 5_001 * 9 + 100 * 9),
        (Usage(1_000, 100), {"prompt_tokens_details": "none", "completion_tokens_details": None}, 5_000),
        (Usage(1_000, 100), details(cached=-5, thought=-5), 5_000),
    ],
)
def test_what_is_cached_thought_or_long_has_its_own_price(
    usage: Usage, reported: Any, dollars_per_million: int
) -> None:
    assert cost(FULL, usage, reported) == dollars_per_million * 1_000


@given(
    size=st.integers(0, 8_000), limit=st.integers(1, 8_000), share=st.tuples(*[st.floats(0, 1)] * 4),
    written=st.integers(0, 8_000),
)  # fmt: skip
def test_no_call_costs_more_than_its_bound(
    size: int, limit: int, share: tuple[float, float, float, float], written: int
) -> None:
    body = {"messages": [{"role": "user", "content": "x" * size}], "max_tokens": limit}
    used = Usage(int(size * share[0]), int(limit * share[1]))
    reported = details(int(size * share[2]), written, int(limit * share[3]))
    assert cost(FULL, used, reported) <= bound(FULL, body)


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("claude-sonnet-4-5", "https://api.anthropic.com"),
        ("gemini-2.5-pro", "https://generativelanguage.googleapis.com"),
    ],
)
def test_a_public_price_counts_as_the_list_itself_does(model: str, url: str) -> None:
    price = known_price(model, url)
    assert price is not None
    for size in (100_000, 300_000):
        reported = details(cached=size // 3)
        listed = listed_cost(model, None, Tokens(size, 10, cached=size // 3))
        assert cost(price, Usage(size, 10), reported) == listed
