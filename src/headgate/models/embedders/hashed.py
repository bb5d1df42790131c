"""Vectors with nothing to download: word stems and character n-grams hashed into a fixed number of slots.

Called by `retrieve`. Honest about its quality: it sees shared words, word forms and spelling, so it forgives typos
and inflection, and it knows nothing of meaning: *car* and *automobile* are strangers to it. Bit-equal on any machine.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field

from headgate.models.words import content_words, words

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_MAX_WORDS = 20_000
_REMEMBERED = 32
"""Letters of a word whose n-grams are remembered: clients make words up, and they must not fill memory."""


class Options(BaseModel):
    """dimensions: slots of a vector. n_grams: the weight of character 3- to 5-grams beside that of words, 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimensions: int = Field(default=1024, ge=64, le=16384)
    n_grams: float = Field(default=0.3, ge=0, le=1)


class HashedEmbedder:
    """Signed feature hashing with sublinear counts; rows have length 1."""

    def __init__(self, options: Options) -> None:
        self.dimensions = options.dimensions
        self._n_grams = options.n_grams

    def embed(self, texts: Sequence[str]) -> NDArray[numpy.float32]:
        import numpy

        rows = numpy.zeros((len(texts), self.dimensions), dtype=numpy.float32)
        for row, text in zip(rows, texts, strict=True):
            slots = self._slots(text)
            if slots:
                row[list(slots)] = list(slots.values())
        return rows

    def _slots(self, text: str) -> dict[int, float]:
        """Return the non-zero slots of one text. Sums run in a fixed order with rounded terms: equal everywhere."""
        counts = Counter((content_words(text) or words(text))[:_MAX_WORDS])
        slots: dict[int, float] = {}
        for word in sorted(counts):
            weight = 1.0 if counts[word] == 1 else round(1.0 + math.log(counts[word]), 6)
            grams = _remembered(word) if len(word) <= _REMEMBERED else _grams(word)
            _add(slots, f"w:{word}", weight, self.dimensions)
            share = weight * self._n_grams / math.sqrt(len(grams)) if grams else 0.0
            for gram in grams if share else ():
                _add(slots, gram, share, self.dimensions)
        length = math.sqrt(math.fsum(value * value for _, value in sorted(slots.items())))
        return {slot: value / length for slot, value in sorted(slots.items())} if length else {}


def _add(slots: dict[int, float], feature: str, weight: float, dimensions: int) -> None:
    number = crc32(feature.encode())
    slot = number % dimensions
    slots[slot] = slots.get(slot, 0.0) + (weight if number & 0x80000000 else -weight)


@lru_cache(maxsize=4096)
def _remembered(word: str) -> tuple[str, ...]:
    return _grams(word)


def _grams(word: str) -> tuple[str, ...]:
    padded = f"^{word}$"
    return tuple(padded[at : at + size] for size in (3, 4, 5) for at in range(len(padded) - size + 1))


class Plugin:
    behaviour = 1
    options = Options

    def build(self, options: Any) -> HashedEmbedder:
        return HashedEmbedder(options)


plugin = Plugin()
