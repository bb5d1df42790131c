"""What a provider sends back, and the bounds that hold for it. Called by `client` and by whoever reads an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from msgspec import Struct

from headgate.models.call import ProviderError

MAX_BYTES = 100 * 1024 * 1024
ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: `connect` to open a connection, `idle` between two pieces of an answer. A call brings its own total."""

    connect: float = 5.0
    idle: float = 30.0


PATIENCE = Limits()


class Reply(Struct, frozen=True):
    """What came back: HTTP status, headers with lower-case names, and the body, whole or piece by piece.

    ended: whether nothing of the body is left, as far as that is known without waiting.
    """

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]
    ended: Callable[[], bool] = lambda: False

    async def read(self, limit: int = MAX_BYTES) -> bytes:
        """Return the whole body. Raises ProviderError when it is longer than `limit`."""
        body = bytearray()
        async for piece in self.pieces:
            body += piece
            if len(body) > limit:
                raise too_long(limit)
        return bytes(body)

    async def start(self) -> bytes:
        """Return the first 64 KiB of the body: enough of an error to say what it was."""
        body = bytearray()
        async for piece in self.pieces:
            body += piece
            if len(body) >= ERROR_BYTES:
                break
        return bytes(body[:ERROR_BYTES])


def odd(what: str) -> ProviderError:
    """Build the error for bytes that are no answer; `what` completes "the provider …"."""
    return ProviderError(f"the provider {what}", code="provider_protocol", retryable=True)


def too_long(limit: int = MAX_BYTES) -> ProviderError:
    return ProviderError(f"the provider sent more than {limit} bytes", code="provider_protocol")
