"""Text as vectors: what an embedder is, and how one is made from its name. Called by `retrieve`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class Embedder(Protocol):
    dimensions: int

    def embed(self, texts: Sequence[str]) -> NDArray[numpy.float32]:
        """Return one row of length 1 (or all zeros for a text without words) per text, shape [n, dimensions]."""
        ...
