"""What a model call costs, in integers of nano-dollars: known prices, the cost of a usage, the most a call can cost.

Called by providers (to price themselves) and by `serve` (to reserve and settle). Never asks the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Usage, Usd

MAX_OUTPUT_TOKENS = 4096
"""The most output tokens of a call that names no limit; providers send it, so that `bound` is a bound."""

_PART_TOKENS = 20_000
_LIMIT_KEYS = ("max_completion_tokens", "max_tokens")
_encode = msgspec.json.Encoder().encode


class Tier(BaseModel):
    """What a call costs instead when it is given more than `above` tokens: all of its tokens, not only those above."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    above: Annotated[int, Field(ge=1)]
    input: Usd
    output: Usd
    cached: Usd | None = None
    written: Usd | None = None
    reasoning: Usd | None = None


class Price(BaseModel):
    """Dollars per million tokens, as in an entry of `providers:`: `price: {input: $0.25, output: $2}`.

    cached and written: input read from and written to the provider's cache; reasoning: output that is thought, not
    said. What is left out costs as input, or as output. tiers: dearer, or cheaper, calls of many tokens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Usd
    output: Usd
    cached: Usd | None = None
    written: Usd | None = None
    reasoning: Usd | None = None
    tiers: tuple[Tier, ...] = ()

    @cached_property
    def most(self) -> tuple[int, int]:
        """The most that a million tokens of input, and of output, can cost."""
        each: tuple[Price | Tier, ...] = (self, *self.tiers)
        given = max(max(one.input, one.cached or 0, one.written or 0) for one in each)
        return given, max(max(one.output, one.reasoning or 0) for one in each)

    @cached_property
    def detailed(self) -> bool:
        """Whether some tokens of input, or of output, cost something else than the rest."""
        each: tuple[Price | Tier, ...] = (self, *self.tiers)
        return any((one.cached, one.written, one.reasoning) != (None, None, None) for one in each)


FREE = Price(input=0, output=0)


def cost(price: Price | None, usage: Usage, reported: Any = None) -> int:
    """Return the cost of a usage in nano-dollars, rounded up; 0 without a price (the caller decides).

    reported: the `usage` of an answer in OpenAI's shape, for what was cached and what was thought (`End.extra`).
    """
    if price is None:
        return 0
    rates: Price | Tier = price
    if price.tiers:
        reached = [tier for tier in price.tiers if usage.input_tokens > tier.above]
        rates = max(reached, key=lambda tier: tier.above) if reached else price
    total = usage.input_tokens * rates.input + usage.output_tokens * rates.output
    if price.detailed and isinstance(reported, Mapping):
        total += _details(rates, usage, reported)
    return -(-total // 1_000_000)


def _details(rates: Price | Tier, usage: Usage, reported: Mapping[str, Any]) -> int:
    """Return how much more, or less, tokens cost that were read from a cache, written to it, or thought."""
    given, got = reported.get("prompt_tokens_details"), reported.get("completion_tokens_details")
    cached = min(_count(given, "cached_tokens"), usage.input_tokens)
    written = min(_count(given, "cache_write_tokens"), usage.input_tokens - cached)
    thought = min(_count(got, "reasoning_tokens"), usage.output_tokens)
    more = 0 if rates.cached is None else cached * (rates.cached - rates.input)
    more += 0 if rates.written is None else written * (rates.written - rates.input)
    return more + (0 if rates.reasoning is None else thought * (rates.reasoning - rates.output))


def _count(details: Any, name: str) -> int:
    found = details.get(name) if isinstance(details, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def bound(price: Price | None, body: Mapping[str, Any], attempts: int = 1) -> int:
    """Return the most that `attempts` calls with `body` can cost, in nano-dollars.

    A token is at least one byte, so the body's bytes bound its input tokens; a part that is no text counts as 20 000
    tokens more, and a picture as no more than that, whatever its size; output is the clamped limit times `n`. The
    trap: it holds only for providers that send the clamped limit, as ours do.
    """
    return 0 if price is None else dearest(price, *bound_tokens(body)) * max(attempts, 1)


def dearest(price: Price, given: int, got: int) -> int:
    """Return the most that a call can cost that is given, and gives, at most so many tokens; in nano-dollars."""
    most_in, most_out = price.most
    return -(-(given * most_in + got * most_out) // 1_000_000)


def bound_tokens(body: Mapping[str, Any]) -> tuple[int, int]:
    """Return the most tokens, given and got, that one call with `body` can use; the trap of `bound` holds here too."""
    choices = body.get("n")
    return _most_input(body), output_limit(body) * (choices if isinstance(choices, int) and choices > 1 else 1)


def _most_input(body: Mapping[str, Any]) -> int:
    size = len(_encode(body))
    for part in _other_parts(body):
        size += _PART_TOKENS
        image = part.get("image_url") if isinstance(part, dict) else None
        url = image.get("url") if isinstance(image, dict) else None
        if isinstance(url, str) and url.startswith("data:image/"):
            size -= len(url)
    return size


def output_limit(body: Mapping[str, Any]) -> int:
    """Return the output tokens that a body allows: its own limit, or MAX_OUTPUT_TOKENS when it names none."""
    most = 0
    for key in _LIMIT_KEYS:
        value = body.get(key)
        if isinstance(value, int) and value > most:
            most = value
    return most or MAX_OUTPUT_TOKENS


def known_price(model: str, base_url: str) -> Price | None:
    """Return the public price of a model at an endpoint with its cache and its tiers, or None when it is not listed."""
    return _listed(model, base_url)


@lru_cache(maxsize=256)
def _listed(model: str, base_url: str) -> Price | None:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    try:
        listed = calc_price(Tokens(input_tokens=1), model, provider_api_url=base_url).model_price
    except LookupError:
        return None
    kinds = {"input": listed.input_mtok, "output": listed.output_mtok, "cached": listed.cache_read_mtok,
             "written": listed.cache_write_mtok}  # fmt: skip
    if kinds["input"] is None or kinds["output"] is None:
        return None
    starts = {tier.start for rate in kinds.values() for tier in getattr(rate, "tiers", ())}
    tiers = [Tier(above=start, **_rates(kinds, start + 1)) for start in sorted(starts) if start > 0]
    return Price(**_rates(kinds, 0), tiers=tuple(tiers))


def _rates(kinds: Mapping[str, Any], tokens: int) -> dict[str, Any]:
    """Return the list's rates for a call that is given so many tokens; what has none is left out."""
    found = {}
    for kind, rate in kinds.items():
        if rate is not None:
            reached = [tier for tier in getattr(rate, "tiers", ()) if tier.start < tokens]
            found[kind] = max(reached, key=lambda tier: tier.start).price if reached else getattr(rate, "base", rate)
    return found


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


def _other_parts(body: Mapping[str, Any]) -> list[Any]:
    found = []
    for message in body.get("messages") or ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            found += [part for part in content if not (isinstance(part, dict) and part.get("type") == "text")]
    return found
