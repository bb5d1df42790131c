"""OpenAI's embeddings as a codec: an answer read, and what models cost that are paid by their input alone.

Called by providers that embed. Vectors are kept as they were written: many numbers, which nobody here reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from headgate.kernel import Usage
from headgate.models.call import ProviderError
from headgate.models.embed import EmbedCall, Vectors
from headgate.models.prices import Price
from headgate.models.wires.openai_chat import error_of

from .failures import broken_answer


class _Item(msgspec.Struct):
    embedding: msgspec.Raw
    index: int = 0


class _Answer(msgspec.Struct):
    data: list[_Item]
    model: str | None = None
    usage: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def embed_path(model: str, api_version: str | None) -> str:
    """Return where embeddings are below the base URL: per deployment when the server has API versions (Azure)."""
    if api_version is None:
        return "/embeddings"
    return f"/openai/deployments/{quote(model, safe='')}/embeddings?api-version={quote(api_version, safe='')}"


def refusal(status: int, headers: Mapping[str, str], content: bytes) -> ProviderError:
    """Read an error answer."""
    try:
        data = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        data = None
    return error_of(data, status, headers)


def read_vectors(content: bytes, call: EmbedCall) -> Vectors:
    """Read an answer with a vector for each input, whatever their order. Raises ProviderError when it is none."""
    try:
        answer = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise broken_answer(" sent something that is no list of vectors") from None
    items = sorted(answer.data, key=lambda item: item.index)
    given = call.body.get("input")
    count = len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1
    if [item.index for item in items] != list(range(count)):
        raise broken_answer(f" sent {len(items)} vectors for {count} texts")
    return Vectors([item.embedding for item in items], _usage(answer.usage, call), answer.model or call.model)


def _usage(told: dict[str, Any] | None, call: EmbedCall) -> Usage:
    """Return the provider's count of tokens, or an estimate (4 characters a token) that says so."""
    count = (told or {}).get("prompt_tokens")
    if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**40:
        return Usage(count)
    return Usage(-(-len(str(call.body.get("input"))) // 4), estimated=True)


@lru_cache(maxsize=256)
def listed_input_price(model: str, base_url: str) -> Price | None:
    """Return the public price of an embedding model at an endpoint, None when it is not listed."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    try:
        listed = calc_price(Tokens(input_tokens=1), model, provider_api_url=base_url).model_price
    except LookupError:
        return None
    rate = listed.input_mtok
    if rate is None or getattr(rate, "tiers", None):
        return None
    return Price(input=getattr(rate, "base", rate), output=0)
