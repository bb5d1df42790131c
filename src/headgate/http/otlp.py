"""`POST /v1/traces`: OTLP over HTTP, protobuf and JSON, gzip or plain (P3). Called by the app; bytes on both sides.

Success means that the spans are on disk. Everything that costs time happens in threads of this route: decoding one
body at a time, waiting for the disk together. Errors are `google.rpc.Status` in the encoding of the request.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from headgate.kernel import HeadgateError, InvalidInput, Unavailable
from headgate.platform import Known, Telemetry

from .exchange import Exchange, encode, error_headers
from .meters import Meters
from .otlp_wire import Batch, decode_json, decode_protobuf, inflate, protobuf_answer, protobuf_status

BODY_LIMIT = 20 * 2**20
"""The most bytes of a body as it arrives."""
INFLATED_LIMIT = 64 * 2**20
"""The most bytes of a body as it was before compression."""
WAITING_LIMIT = 64 * 2**20
"""The most bytes of bodies that wait or are worked on; whoever comes then is told to come again."""
_THREADS = 16
_RETRY_S = 1
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 413: 11, 415: 3, 429: 8, 500: 13, 503: 14}
"""gRPC's codes of our statuses."""


class Otlp:
    """The route of one server."""

    def __init__(self, telemetry: Telemetry, meters: Meters) -> None:
        self.telemetry, self.meters = telemetry, meters
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="headgate-otlp")
        self._decoding = threading.Lock()
        self._held = 0

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def traces(self, exchange: Exchange, known: Callable[[Exchange], Awaitable[Known]]) -> None:
        """Take one export. Raises Gone; everything else is answered here, in the client's encoding."""
        try:
            await self._take(exchange, known)
        except HeadgateError as problem:
            exchange.facts["error"] = problem.code
            self.meters.failed(exchange.path, problem.status)
            await self._refuse(exchange, problem)

    async def _take(self, exchange: Exchange, known: Callable[[Exchange], Awaitable[Known]]) -> None:
        caller = await known(exchange)
        self.telemetry.authorise(caller.principal)
        kind = _kind(exchange)
        packed = exchange.headers.get("content-encoding", "").lower() == "gzip"
        body = await exchange.body(BODY_LIMIT, packed=True)
        if self._held and self._held + len(body) > WAITING_LIMIT:
            raise _busy("too many spans are waiting to be stored")
        self._held += len(body)
        try:
            loop = asyncio.get_running_loop()
            batch = await loop.run_in_executor(self._threads, self._store, caller, kind, body, packed)
        finally:
            self._held -= len(body)
        self.meters.received(batch.count, batch.refused)
        exchange.facts |= {"spans": batch.count, "refused": batch.refused}
        if kind == _JSON:
            partial = {"rejectedSpans": str(batch.refused), "errorMessage": batch.problem}
            await exchange.json(200, {"partialSuccess": partial} if batch.refused else {})
        else:
            await exchange.bytes(200, protobuf_answer(batch.refused, batch.problem), _PROTOBUF.encode())

    def _store(self, caller: Known, kind: str, body: bytes, packed: bool) -> Batch:
        """Decode, map and store one body, in a thread. One body at a time is worked on: the gateway shares the core."""
        with self._decoding:
            plain = inflate(body, INFLATED_LIMIT) if packed else body
            batch = decode_json(plain) if kind == _JSON else decode_protobuf(plain)
            records = self.telemetry.records(caller.principal, batch.spans)
            batch.spans.clear()
        self.telemetry.keep(records)
        return batch

    async def _refuse(self, exchange: Exchange, error: HeadgateError) -> None:
        message, headers = str(error), error_headers(error)
        if error.status == 503 and not getattr(error, "retry_after", 0):
            headers.append((b"retry-after", str(_RETRY_S).encode()))
        code = _CODES.get(error.status, 2)
        if exchange.headers.get("content-type", "").partition(";")[0].strip() == _JSON:
            await exchange.bytes(error.status, encode({"code": code, "message": message}), _JSON.encode(), headers)
        else:
            await exchange.bytes(error.status, protobuf_status(code, message), _PROTOBUF.encode(), headers)


def _kind(exchange: Exchange) -> str:
    kind = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (_PROTOBUF, _JSON):
        error = InvalidInput(f"OTLP is {_PROTOBUF} or {_JSON}, not {kind[:80] or 'nothing'}", code="content_type")
        error.status = 415
        raise error
    return kind


def _busy(message: str) -> Unavailable:
    error = Unavailable(message, "send them again in a moment", code="busy")
    error.retry_after = _RETRY_S  # type: ignore[attr-defined]
    return error
