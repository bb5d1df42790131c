"""`POST /v1/embeddings`: texts as vectors, on OpenAI's wire. Called by the app.

What a release embeds is float32 and written as the client asked, numbers or base64; what a provider wrote is passed on.
"""

from __future__ import annotations

import array
import asyncio
import base64
import sys
import time
from typing import Any

from headgate.kernel import units
from headgate.platform import Embedding, Gateway, Known, Turn

from .bodies import CHAT_LIMIT, decode_object
from .connection import WhileConnected
from .exchange import Exchange, TraceIds, encode, limit_headers
from .meters import Meters

PATH = "/v1/embeddings"
_JSON = b"application/json"
_MUCH = 65_536
"""Bytes of vectors above which they are written off the event loop."""


class Embeddings:
    """The route of one gateway."""

    def __init__(self, gateway: Gateway, meters: Meters, trace_ids: TraceIds) -> None:
        self.gateway, self.meters, self.trace_ids = gateway, meters, trace_ids

    async def create(self, exchange: Exchange, known: Known) -> None:
        """Embed the texts of one request. Raises HeadgateError before anything was sent."""
        sent = await exchange.body(CHAT_LIMIT)
        body = decode_object(sent)
        trace_id = self.trace_ids.of(exchange.headers.get("traceparent", ""))
        session = exchange.headers.get("x-headgate-session", "")[:128]
        turn = await self.gateway.open(known, body, trace_id, session, len(sent))
        exchange.facts |= {"app": turn.pin.app, "environment": turn.pin.environment, "release": turn.pin.release[7:19]}
        exchange.facts["trace"] = trace_id
        if known.principal.key_id:
            exchange.facts["key"] = known.principal.key_id
        with WhileConnected(exchange):
            embedded = await turn.embed()
        exchange.facts |= {"outcome": embedded.answer.status, "cost_nano": embedded.answer.cost_nano}
        self.meters.embedded(turn.pin.counted, turn.pin.environment, embedded.answer)
        if sum(map(len, embedded.vectors)) > _MUCH:
            content = await asyncio.to_thread(_written, turn, embedded)
        else:
            content = _written(turn, embedded)
        await exchange.bytes(200, content, _JSON, _headers(turn, embedded))


def _written(turn: Turn, embedded: Embedding) -> bytes:
    answer = embedded.answer
    tokens = answer.usage.input_tokens
    return encode(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _vector(vector, embedded.encoding)}
                for index, vector in enumerate(embedded.vectors)
            ],
            "model": turn.request.body["model"],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            "headgate": {"release": answer.release, "trace": answer.trace_id},
        }
    )


def _vector(vector: Any, encoding: str) -> Any:
    """Return float32 of little-endian bytes as asked for; what a provider has written as it is."""
    if not isinstance(vector, bytes):
        return vector
    if encoding == "base64":
        return base64.b64encode(vector).decode("ascii")
    numbers = array.array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def _headers(turn: Turn, embedded: Embedding) -> list[tuple[bytes, bytes]]:
    answer = embedded.answer
    return [
        (b"x-headgate-release", turn.pin.release.encode() or b"none"),
        (b"x-headgate-trace", turn.request.id.encode()),
        (b"x-headgate-cost", units.usd(answer.cost_nano).encode()),
        (b"x-headgate-overhead-ms", f"{answer.overhead_us / 1000:.3f}".encode()),
        *limit_headers(turn.standings(), time.time()),
    ]
