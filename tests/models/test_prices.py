"""Money: integers, rounded up, and a bound that no answer can pass."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel import Usage
from headgate.models import FREE, MAX_OUTPUT_TOKENS, Call, Price, bound, cost, output_limit
from headgate.models.prices import known_price
from headgate.models.wires.openai_chat import encode_request

PRICE = Price.model_validate({"input": "$0.25", "output": "$2"})


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
    assert bound(PRICE, image) - bound(PRICE, plain) > cost(PRICE, Usage(20_000, 0))


def test_public_prices_are_known_and_unknown_models_are_not() -> None:
    assert known_price("gpt-5-mini", "https://api.openai.com/v1") == PRICE
    assert known_price("nobody-knows-this", "https://api.openai.com/v1") is None
    assert known_price("gpt-5-mini", "http://gpu-1:8000/v1") is None
