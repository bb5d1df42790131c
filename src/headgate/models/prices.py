"""What a model call costs, in integers of nano-dollars: known prices, the cost of a usage, the most a call can cost.

Called by providers (to price themselves) and by `serve` (to reserve and settle). Never asks the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Usage, Usd

from .reach import Reach, reach_of


class Rates(BaseModel):
    """Dollars per million tokens.

    cached and written: input read from and written to the provider's cache; written_1h: written to be kept an hour.
    reasoning: output that is thought, not said. audio_input, audio_output, image_output: what is heard, spoken, drawn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Usd
    output: Usd
    cached: Usd | None = None
    written: Usd | None = None
    written_1h: Usd | None = None
    reasoning: Usd | None = None
    audio_input: Usd | None = None
    audio_output: Usd | None = None
    image_output: Usd | None = None

    @property
    def hourly(self) -> int:
        """What is written to be kept an hour: twice the input, as Anthropic prices it, unless it is said."""
        return 2 * self.input if self.written_1h is None else self.written_1h


class Tier(Rates):
    """What a call costs instead when it is given more than `above` tokens: all of its tokens, not only those above."""

    above: Annotated[int, Field(ge=1)]


class Price(Rates):
    """Dollars per million tokens, as in an entry of `providers:`: `price: {input: $0.25, output: $2}`.

    What is left out costs as input, or as output; written_1h twice as much as input; a call with audio or pictures is
    not bounded then. tiers: dearer, or cheaper, calls of many tokens. request: dollars a call, beside its tokens.
    context: the most tokens that the model takes, which bounds calls with files, films and links to them.
    """

    tiers: tuple[Tier, ...] = ()
    request: Usd | None = None
    context: Annotated[int, Field(ge=1)] | None = None

    @property
    def _each(self) -> tuple[Rates, ...]:
        return (self, *self.tiers)

    @cached_property
    def most(self) -> tuple[int, int]:
        """The most that a million tokens of input, and of output, can cost when neither is audio."""
        given = max(max(one.input, one.cached or 0, one.written or 0) for one in self._each)
        return given, max(max(one.output, one.reasoning or 0, one.image_output or 0) for one in self._each)

    @cached_property
    def loudest(self) -> tuple[int, int]:
        """The most that a million tokens of audio can cost, heard and spoken."""
        heard, spoken = (
            max(one.audio_input or 0 for one in self._each),
            max(one.audio_output or 0 for one in self._each),
        )
        return max(heard, self.most[0]), max(spoken, self.most[1])

    @cached_property
    def detailed(self) -> tuple[bool, bool]:
        """Whether some tokens of input, and of output, cost something else than the rest."""
        given, got = (any(getattr(one, kind) is not None for one in self._each for kind in kinds) for kinds in _DETAILS)
        return given, got

    @cached_property
    def free(self) -> bool:
        return self.most == (0, 0) and not self.request


_DETAILS = ("cached", "written", "written_1h", "audio_input"), ("reasoning", "audio_output", "image_output")


FREE = Price(input=0, output=0)


def cost(price: Price | None, usage: Usage, reported: Any = None) -> int:
    """Return the cost of a usage in nano-dollars, rounded up; 0 without a price (the caller decides).

    reported: the `usage` of an answer in OpenAI's shape, for what was cached, thought, heard, spoken and drawn
    (`End.extra`); `cache_creation` in it is Anthropic's.
    """
    if price is None:
        return 0
    rates: Rates = price
    if price.tiers:
        reached = [tier for tier in price.tiers if usage.input_tokens > tier.above]
        rates = max(reached, key=lambda tier: tier.above) if reached else price
    total = usage.input_tokens * rates.input + usage.output_tokens * rates.output
    if isinstance(reported, Mapping):
        given, got = price.detailed
        total += _more_given(rates, usage, reported) if given or "cache_creation" in reported else 0
        total += _more_got(rates, usage, reported) if got else 0
    if price.request and (usage.input_tokens or usage.output_tokens):
        total += price.request * 1_000_000
    return -(-total // 1_000_000)


def _more_given(rates: Rates, usage: Usage, reported: Mapping[str, Any]) -> int:
    """Return how much more, or less, tokens cost that were heard, read from a cache, or written to it."""
    details, left, more = reported.get("prompt_tokens_details"), usage.input_tokens, 0
    if rates.audio_input is not None:
        heard = min(_count(details, "audio_tokens"), left)
        left -= heard
        more += heard * (rates.audio_input - rates.input)
    cached = min(_count(details, "cached_tokens"), left)
    written = min(_count(details, "cache_write_tokens"), left - cached)
    hour = 0
    if written and "cache_creation" in reported:
        hour = min(_count(reported["cache_creation"], "ephemeral_1h_input_tokens"), written)
        more += hour * (rates.hourly - rates.input)
    more += 0 if rates.cached is None else cached * (rates.cached - rates.input)
    return more + (0 if rates.written is None else (written - hour) * (rates.written - rates.input))


def _more_got(rates: Rates, usage: Usage, reported: Mapping[str, Any]) -> int:
    """Return how much more, or less, tokens cost that were spoken, drawn, or thought."""
    details, left, more = reported.get("completion_tokens_details"), usage.output_tokens, 0
    kinds = (("audio_tokens", rates.audio_output), ("image_tokens", rates.image_output),
             ("reasoning_tokens", rates.reasoning))  # fmt: skip
    for name, rate in kinds:
        if rate is not None:
            count = min(_count(details, name), left)
            left -= count
            more += count * (rate - rates.output)
    return more


def _count(details: Any, name: str) -> int:
    found = details.get(name) if isinstance(details, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def bound(price: Price | None, body: Mapping[str, Any], attempts: int = 1) -> int | None:
    """Return the most that `attempts` calls with `body` can cost, in nano-dollars; None when nothing bounds it.

    What bounds it is told by `reach_of`, whose trap holds here too, and what lacks by `lacking`. 0 without a price.
    """
    if price is None:
        return 0
    reach = reach_of(body)
    return None if lacking(price, reach) else dearest(price, reach) * max(attempts, 1)


def dearest(price: Price, reach: Reach) -> int:
    """Return the most that a call can cost that goes this far, in nano-dollars; nothing may be `lacking`."""
    most_in, most_out = price.most
    given = reach.given
    if reach.forms or reach.heard or reach.whole or reach.hour:
        if reach.hour:
            most_in = max(most_in, *(one.hourly for one in (price, *price.tiers)))
        if "audio" in reach.forms:
            most_out = price.loudest[1]
        if reach.whole:
            most_in = max(most_in, price.loudest[0])
            given = max(given, price.context or 0)
        total = given * most_in + reach.heard * max(most_in, price.loudest[0]) + reach.got * most_out
    else:
        total = given * most_in + reach.got * most_out
    return -(-total // 1_000_000) + (price.request or 0)


def lacking(price: Price, reach: Reach) -> str:
    """Name the key that a price must have before a call can be bounded that goes this far; empty when it can be."""
    if not (reach.forms or reach.heard or reach.whole) or price.free:
        return ""
    if reach.heard and price.audio_input is None:
        return "audio_input"
    if reach.whole and price.context is None:
        return "context"
    for form in reach.forms:
        if form not in _FORMS or getattr(price, _FORMS[form]) is None:
            return _FORMS.get(form, form)
    return ""


_FORMS = {"audio": "audio_output", "image": "image_output"}


def known_price(model: str, base_url: str) -> Price | None:
    """Return the public price of a model at an endpoint with its cache and its tiers, or None when it is not listed."""
    return _listed(model, base_url)


@lru_cache(maxsize=256)
def _listed(model: str, base_url: str) -> Price | None:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    try:
        found = calc_price(Tokens(input_tokens=1), model, provider_api_url=base_url)
    except LookupError:
        return None
    units = {name: rate for name, rate in vars(found.model_price).items() if rate is not None and name[0] != "_"}
    if not {"input_mtok", "output_mtok"} <= units.keys() or units.keys() - _KNOWN:
        return None
    kinds = {kind: units[unit] for kind, unit in _UNITS.items() if unit in units}
    starts = {tier.start for rate in kinds.values() for tier in getattr(rate, "tiers", ())}
    tiers = [Tier(above=start, **_rates(kinds, start + 1)) for start in sorted(starts) if start > 0]
    context = found.model.context_window
    if context is not None and any(start >= context for start in starts):
        context = None
    request = units["requests_kcount"] / 1_000 if "requests_kcount" in units else None
    return Price(**_rates(kinds, 0), tiers=tuple(tiers), request=request, context=context)


_UNITS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "written": "cache_write_mtok",
    "written_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
    "image_output": "output_image_mtok",
}
"""Our words for the units of the public list."""
_KNOWN = frozenset(
    {
        *_UNITS.values(), "requests_kcount", "cache_audio_read_mtok", "cache_image_read_mtok", "web_searches_kcount",
        "storage_searches_kcount",
    }
)  # fmt: skip
"""Units that hide no cost: cheaper than what they are counted as, or of tools that are not taken from callers."""


def _rates(kinds: Mapping[str, Any], tokens: int) -> dict[str, Any]:
    """Return the list's rates for a call that is given so many tokens."""
    found = {}
    for kind, rate in kinds.items():
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
