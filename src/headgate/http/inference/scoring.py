"""What the wires of models share: read a body, compute it here or in a thread, count it, send the answer.

Called by `open_inference` and `invocations`; a codec of theirs turns bytes into rows and predictions into bytes. It
knows no wire.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headgate.http.bodies import CHAT_LIMIT
from headgate.http.exchange import Exchange, TraceIds
from headgate.http.meters import Meters
from headgate.platform import Inference, Known, Prediction, Served

Content = tuple[bytes, bytes, list[tuple[bytes, bytes]]]
"""An answer: its bytes, their content type, and more headers."""


@dataclass(slots=True)
class Ask:
    """One request for predictions; a codec reads rows from its body, calls `infer` and writes the answer."""

    served: Served
    trace_id: str
    key_id: str
    session: str
    headers: Mapping[str, str]
    rows: int = field(default=0)

    def infer(self, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        self.rows = len(rows)
        return self.served.infer(self.trace_id, rows, self.key_id, self.session)


class Scoring:
    """What every wire of models shares: read the body, compute it here or in a thread, count it, send the answer."""

    def __init__(self, inference: Inference, meters: Meters, trace_ids: TraceIds) -> None:
        self.inference, self.meters, self.trace_ids = inference, meters, trace_ids

    async def answer(
        self, exchange: Exchange, known: Known, served: Served, codec: Callable[[bytes, Ask], Content]
    ) -> None:
        """Answer one request. Raises HeadgateError before anything was sent, Gone when the client left."""
        body = await exchange.body(CHAT_LIMIT)
        pin, began = served.pin, time.perf_counter()
        session = exchange.headers.get("x-headgate-session", "")[:128]
        trace_id = self.trace_ids.of(exchange.headers.get("traceparent", ""))
        ask = Ask(served, trace_id, known.principal.key_id, session, exchange.headers)
        exchange.facts |= {"app": pin.app, "environment": pin.environment, "release": pin.release[7:19]}
        exchange.facts |= {"trace": trace_id, "route": "infer", "model": served.model.name}
        if known.principal.key_id:
            exchange.facts["key"] = known.principal.key_id
        self.meters.in_flight += 1
        try:
            content, kind, headers = await self.inference.run(lambda: codec(body, ask), len(body))
        finally:
            self.meters.in_flight -= 1
        exchange.facts |= {"outcome": "answered", "rows": ask.rows}
        self.meters.scored(pin.app, pin.environment, ask.rows, time.perf_counter() - began)
        about = [(b"x-headgate-release", pin.release.encode()), (b"x-headgate-trace", trace_id.encode())]
        await exchange.bytes(200, content, kind, about + headers)
