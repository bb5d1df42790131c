"""What a model call costs, in integers of nano-dollars: known prices, the cost of a usage, the most a call can cost.

Called by providers (to price themselves) and by `serve` (to reserve and settle). Never asks the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict

from headgate.kernel import Usage, Usd

MAX_OUTPUT_TOKENS = 4096
"""The most output tokens of a call that names no limit; providers send it, so that `bound` is a bound."""

_PART_TOKENS = 20_000
_LIMIT_KEYS = ("max_completion_tokens", "max_tokens")


class Price(BaseModel):
    """Dollars per million tokens, as in an entry of `providers:`: `price: {input: $0.25, output: $2}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Usd
    output: Usd


FREE = Price(input=0, output=0)


def cost(price: Price | None, usage: Usage) -> int:
    """Return the cost of a usage in nano-dollars, rounded up; 0 without a price (the caller decides)."""
    if price is None:
        return 0
    return -(-(usage.input_tokens * price.input + usage.output_tokens * price.output) // 1_000_000)


def bound(price: Price | None, body: Mapping[str, Any], attempts: int = 1) -> int:
    """Return the most that `attempts` calls with `body` can cost, in nano-dollars.

    A token is at least one byte, so the body's bytes bound its input tokens; a part that is a link (an image, say)
    counts as 20 000 tokens; output is the clamped limit times `n`. The trap: it holds only for providers that send
    the clamped limit, as ours do.
    """
    choices = body.get("n")
    output = output_limit(body) * (choices if isinstance(choices, int) and choices > 1 else 1)
    one = Usage(len(msgspec.json.encode(body)) + _PART_TOKENS * _other_parts(body), output)
    return cost(price, one) * max(attempts, 1)


def output_limit(body: Mapping[str, Any]) -> int:
    """Return the output tokens that a body allows: its own limit, or MAX_OUTPUT_TOKENS when it names none."""
    limits = [value for key in _LIMIT_KEYS if isinstance(value := body.get(key), int) and value > 0]
    return max(limits) if limits else MAX_OUTPUT_TOKENS


def known_price(model: str, base_url: str) -> Price | None:
    """Return the public price of a model at an endpoint, the dearest tier of it, or None when it is not listed."""
    found = _listed(model, base_url)
    return Price(input=found[0], output=found[1]) if found else None


@lru_cache(maxsize=256)
def _listed(model: str, base_url: str) -> tuple[str, str] | None:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    try:
        listed = calc_price(Tokens(input_tokens=1), model, provider_api_url=base_url).model_price
    except LookupError:
        return None
    rates = [_dearest(rate) for rate in (listed.input_mtok, listed.output_mtok)]
    return (rates[0], rates[1]) if rates[0] is not None and rates[1] is not None else None


def _dearest(rate: Any) -> Any:
    tiers = getattr(rate, "tiers", None)
    return max([rate.base, *(tier.price for tier in tiers)]) if tiers is not None else rate


def _other_parts(body: Mapping[str, Any]) -> int:
    messages = body.get("messages")
    contents = [message.get("content") for message in messages if isinstance(message, dict)] if messages else []
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return sum(1 for part in parts if not (isinstance(part, dict) and part.get("type") == "text"))
