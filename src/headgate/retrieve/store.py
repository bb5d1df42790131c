"""What searches: a store compiled from chunks and their vectors, once per release. Stores are plugins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from .chunk import Chunk

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class Store(Protocol):
    """Immutable once compiled; both searches are safe to call from many threads and return chunk numbers."""

    def lexical(self, question: str, limit: int) -> list[int]:
        """Return the chunks that share words with the question, best first; ties in order of their numbers."""
        ...

    def nearest(self, vector: NDArray[numpy.float32], limit: int) -> list[int]:
        """Return the chunks whose vectors lie nearest, best first, none that is unrelated."""
        ...


class StorePlugin(Protocol):
    behaviour: int

    def compile(self, chunks: Sequence[Chunk], vectors: NDArray[numpy.float32]) -> Store:
        """Build a store; `vectors` has one row per chunk."""
        ...
