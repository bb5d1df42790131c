"""Text as vectors: what an embedder is, and what a provider takes and gives whose models embed.

Called by `retrieve` (embedders, which a release pins) and by `serve` (providers, for clients of `/v1/embeddings`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from headgate.kernel import Usage

from .prices import Price

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class Embedder(Protocol):
    dimensions: int

    def embed(self, texts: Sequence[str]) -> NDArray[numpy.float32]:
        """Return one row of length 1 (or all zeros for a text without words) per text, shape [n, dimensions]."""
        ...


@dataclass(frozen=True, slots=True)
class EmbedCall:
    """Texts for a provider's model to embed. `body`, in OpenAI's shape, is sent as is, its model aside."""

    model: str
    body: Mapping[str, Any]
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Vectors:
    """What a provider's model made of texts: one vector each, in their order, as it wrote them (numbers or base64)."""

    vectors: Sequence[Any]
    usage: Usage
    model: str


@runtime_checkable
class Embeds(Protocol):
    """A provider that embeds too; providers without these methods chat only."""

    def embed_price(self, model: str) -> Price | None:
        """What a call costs, None when nobody knows; only input is paid."""
        ...

    async def embed(self, call: EmbedCall) -> Vectors:
        """Embed. Raises ProviderError; cancelling the task cancels the call upstream."""
        ...
