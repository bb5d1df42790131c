"""What a model call costs, in integers of nano-dollars: known prices, the cost of a usage, the most a call can cost.

Called by providers (to price themselves) and by `serve` (to reserve and settle). Never asks the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
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


def bound_tokens(body: Mapping[str, Any]) -> int:
    """Return the most tokens, given and got, that one call with `body` can use; the trap of `bound` holds here too."""
    choices = body.get("n")
    output = output_limit(body) * (choices if isinstance(choices, int) and choices > 1 else 1)
    return len(msgspec.json.encode(body)) + _PART_TOKENS * _other_parts(body) + output


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


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a call says it used. `input` counts all input tokens, those read from a cache and written to it too."""

    input: int
    output: int
    cached: int = 0
    written: int = 0


def listed_cost(model: str, provider: str | None, tokens: Tokens) -> int | None:
    """Return what a call costs by the public price list, in nano-dollars, rounded up; None when it is not listed.

    provider: a name of the list, None to look for the model at all of them. The trap: it is the price of today.
    """
    price = _public(model, provider)
    if price is None:
        return None
    cached = min(tokens.cached, tokens.input)
    written = min(tokens.written, tokens.input - cached)
    limit, rates = _flat(model, provider)
    if tokens.input > limit:
        return _tiered(price, Tokens(tokens.input, tokens.output, cached, written))
    plain = tokens.input - cached - written
    parts = (plain, tokens.output, cached, written)
    return -(-sum(count * rate for count, rate in zip(parts, rates, strict=True)) // 1_000_000)


@lru_cache(maxsize=1024)
def _public(model: str, provider: str | None) -> Any:
    from genai_prices import Usage as Used
    from genai_prices import calc_price

    try:
        return calc_price(Used(input_tokens=1), model, provider_id=provider).model_price
    except (LookupError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _flat(model: str, provider: str | None) -> tuple[int, tuple[int, int, int, int]]:
    """Return nano-dollars per million tokens of input, output, cached and written, and the input they hold up to."""
    price = _public(model, provider)
    given, got = price.input_mtok, price.output_mtok
    cached = given if price.cache_read_mtok is None else price.cache_read_mtok
    written = given if price.cache_write_mtok is None else price.cache_write_mtok
    listed = (given, got, cached, written)
    starts = [tier.start for rate in listed for tier in getattr(rate, "tiers", ())]
    rates = [int(Decimal(getattr(rate, "base", rate) or 0) * 10**9) for rate in listed]
    return -1 if given is None else min(starts, default=2**63), (rates[0], rates[1], rates[2], rates[3])


def _tiered(price: Any, tokens: Tokens) -> int | None:
    from genai_prices import Usage as Used

    used = Used(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cache_read_tokens=tokens.cached,
        cache_write_tokens=tokens.written,
    )
    try:
        total = price.calc_price(used)["total_price"]
    except (LookupError, ValueError):
        return None
    return -int(-(total * 10**9) // 1)


def _dearest(rate: Any) -> Any:
    tiers = getattr(rate, "tiers", None)
    return max([rate.base, *(tier.price for tier in tiers)]) if tiers is not None else rate


def _other_parts(body: Mapping[str, Any]) -> int:
    messages = body.get("messages")
    contents = [message.get("content") for message in messages if isinstance(message, dict)] if messages else []
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return sum(1 for part in parts if not (isinstance(part, dict) and part.get("type") == "text"))
