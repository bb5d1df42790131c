"""What a request for embeddings asks: texts or tokens, and how the vectors are to be written. Called by `embed`.

The body has the shape of OpenAI's `/v1/embeddings`; a bad one is refused by the name of its field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from headgate.kernel import InvalidInput

Encoding = Literal["float", "base64"]
MOST = 2048
"""As many as OpenAI takes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """texts: what to embed; empty when the client sent `tokens`, which only the model that they are of can read."""

    texts: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    encoding: Encoding
    dimensions: int | None

    @property
    def count(self) -> int:
        return len(self.texts) + len(self.tokens)

    @property
    def size(self) -> int:
        """The most tokens that it can be: a token is a byte at least, and models frame each text with a few."""
        return sum(len(text.encode()) for text in self.texts) + sum(map(len, self.tokens)) + 8 * self.count


def read_wanted(body: Mapping[str, Any]) -> Wanted:
    """Read a body. Raises InvalidInput naming the field."""
    asked = body.get("encoding_format") or "float"
    if asked not in ("float", "base64"):
        raise InvalidInput(f"encoding_format is {asked!r}", "float or base64")
    encoding: Encoding = "base64" if asked == "base64" else "float"
    dimensions = body.get("dimensions")
    if dimensions is not None and (not _whole(dimensions) or dimensions < 1):
        raise InvalidInput("dimensions must be a whole number above 0")
    texts, tokens = _read_input(body.get("input"))
    return Wanted(texts, tokens, encoding, dimensions)


def _read_input(given: Any) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    many = given if isinstance(given, list) and given and not all(map(_whole, given)) else [given]
    if len(many) > MOST:
        raise InvalidInput(f"input holds {len(many)} texts, more than {MOST}", "send them in several requests")
    texts = tuple(text for text in many if isinstance(text, str))
    if len(texts) == len(many):
        for index, text in enumerate(texts):
            if not text:
                raise InvalidInput(f"input[{index}] is empty" if isinstance(given, list) else "input is empty")
        return texts, ()
    if all(isinstance(one, list) and one and all(map(_whole, one)) for one in many):
        return (), tuple(map(tuple, many))
    raise InvalidInput("input must be a text, a list of texts, or tokens", code="input_missing")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
