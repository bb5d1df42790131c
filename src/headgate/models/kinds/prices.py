"""The kind `prices`: what models cost, before what their providers say.

Called by the plugin loader, and by `serve` to compile what a release pins.

prices:
  openai/gpt-5-mini: {input: $0.25, output: $2, cached: $0.025}
  lab/llama: {input: $1, output: $3, tiers: [{above: 128000, input: $2, output: $6}]}
  lab/voice: {input: $3, output: $10, audio_input: $32, audio_output: $64, context: 128000}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headgate.kernel import Corrupt, Draft, InvalidInput, Kind, Source, document_of, read_yaml, validate
from headgate.models.facts import TargetName
from headgate.models.prices import Price, Tier

_RATES = (
    "input", "output", "cached", "written", "written_1h", "reasoning", "audio_input", "audio_output", "image_output",
)  # fmt: skip
_LEFT_OUT = {
    "written_1h": "twice the input",
    "reasoning": "as output",
    "audio_input": "not known",
    "audio_output": "not known",
    "image_output": "not known",
}


class PriceList(BaseModel):
    """The stored document: dollars per million tokens, by `provider/model`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prices: Annotated[dict[TargetName, Price], Field(min_length=1)]


def parse(root: Path, path: str) -> Draft:
    """Read `<path>.yaml`. Raises NotFound, or InvalidInput with file, line and key."""
    source = read_yaml(root, f"{path}.yaml")
    found = validate(PriceList, source)
    for target, price in found.prices.items():
        _check_tiers(source, target, price.tiers)
    return Draft("prices", 1, path, document_of(found))


def compile_prices(document: Mapping[str, Any]) -> dict[str, Price]:
    """Return the prices of a stored list by target; none of an empty one. Raises Corrupt."""
    if not document:
        return {}
    try:
        return dict(PriceList.model_validate(document).prices)
    except ValidationError as problem:
        raise Corrupt(f"the pinned prices are none: {problem.errors()[0]['msg']}", "create the release again") from None


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say what became dearer or cheaper: `input of openai/gpt-5-mini $0.25 → $0.30 per million`."""
    before, after = old["prices"], new["prices"]
    said = [f"{target} has no price here any more" for target in before if target not in after]
    for target, price in after.items():
        if target in before:
            said += _changes(target, before[target], price)
        else:
            rates = ", ".join(f"{name} {_usd(price[name])}" for name in _RATES if name in price)
            said.append(f"{target} now has a price: {rates} per million")
    return said


def _changes(target: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    yield from _rates(f"of {target}", old, new)
    if old.get("request") != new.get("request"):
        was, now = (_usd(price.get("request", "$0")) for price in (old, new))
        yield f"a request to {target} {was} → {now} beside its tokens"
    if old.get("context") != new.get("context"):
        was, now = (price.get("context", "not known") for price in (old, new))
        yield f"the context of {target} {was} → {now} tokens"
    before, after = (dict((tier["above"], tier) for tier in price.get("tiers", ())) for price in (old, new))
    for above in sorted(before.keys() | after.keys()):
        beyond = f"of {target} above {above} tokens"
        if above not in before:
            yield f"the tier {beyond} is new: {', '.join(f'{name} {_usd(after[above][name])}' for name in _RATES[:2])}"
        elif above not in after:
            yield f"the tier {beyond} is gone"
        else:
            yield from _rates(beyond, before[above], after[above])


def _rates(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in _RATES:
        if old.get(name) != new.get(name):
            base = _LEFT_OUT.get(name, "as input")
            was, now = (_usd(price[name]) if name in price else base for price in (old, new))
            yield f"{name} {what} {was} → {now} per million"


def _usd(written: str) -> str:
    """Write cents as prices are read: `$0.3` as `$0.30`."""
    whole, point, cents = written.partition(".")
    return f"{whole}.{cents:0<2}" if point else whole


def _check_tiers(source: Source, target: str, tiers: tuple[Tier, ...]) -> None:
    starts = [tier.above for tier in tiers]
    for index, start in enumerate(starts):
        if start in starts[:index]:
            where = source.where(("prices", target, "tiers", index, "above"))
            raise InvalidInput(f"two tiers begin above {start} tokens", "keep one of them", where=where)


plugin = Kind("prices", 1, PriceList, parse, explain)
