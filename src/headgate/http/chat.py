"""`POST /v1/chat/completions` and `GET /v1/models`: OpenAI's wire on the gateway, streamed and not. Called by the app.

Errors have the wire's own envelope. A stream ends exactly once: final chunk, usage when asked, `[DONE]`, or an error
event and `[DONE]` (P8). A client that leaves cancels everything upstream (P9).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from headgate.kernel import Answer, Event, Final, HeadgateError, Text, Unavailable, units
from headgate.platform import Gateway, Known, Turn

from .bodies import CHAT_LIMIT, decode_object
from .exchange import Exchange, Gone, TraceIds, encode, limit_headers
from .meters import Meters

Headers = list[tuple[bytes, bytes]]
_SSE = b"text/event-stream; charset=utf-8"
_DONE = b"data: [DONE]\n\n"


class Chat:
    """The chat routes of one gateway."""

    def __init__(self, gateway: Gateway, meters: Meters, trace_ids: TraceIds) -> None:
        self.gateway, self.meters, self.wire = gateway, meters, gateway.wire
        self.trace_ids = trace_ids
        self.started = int(time.time())

    async def models(self, exchange: Exchange, known: Known) -> None:
        data = [
            {"id": name, "object": "model", "created": self.started, "owned_by": "headgate"}
            for name in self.gateway.models(known)
        ]
        await exchange.json(200, {"object": "list", "data": data})

    async def completions(self, exchange: Exchange, known: Known) -> None:
        """Answer one chat. Raises HeadgateError before anything was sent, Gone when the client left."""
        body = decode_object(await exchange.body(CHAT_LIMIT))
        trace_id = self.trace_ids.of(exchange.headers.get("traceparent", ""))
        session = exchange.headers.get("x-headgate-session", "")[:128]
        turn = await self.gateway.open(known, body, trace_id, session)
        exchange.facts |= {"app": turn.pin.app, "environment": turn.pin.environment, "release": turn.pin.release[7:19]}
        exchange.facts["trace"] = trace_id
        if known.principal.key_id:
            exchange.facts["key"] = known.principal.key_id
        self.meters.in_flight.inc()
        try:
            async with _while_connected(exchange), aclosing(turn.events()) as events:  # type: ignore[type-var]
                if turn.request.stream:
                    await self._stream(exchange, turn, events)
                else:
                    await self._whole(exchange, turn, events)
        finally:
            self.meters.in_flight.dec()

    async def _whole(self, exchange: Exchange, turn: Turn, events: AsyncIterator[Event]) -> None:
        answer = await _end(events)
        self._count(exchange, turn, answer)
        if answer.status == "error":
            raise _failed(answer)
        data = self.wire.completion(answer, model=turn.request.body["model"], created=int(time.time()))
        await exchange.json(200, data, _headers(turn, answer))

    async def _stream(self, exchange: Exchange, turn: Turn, events: AsyncIterator[Event]) -> None:
        """Send chunks. The head is sent with the first event, so that an error before it keeps its status."""
        model, created, trace_id = turn.request.body["model"], int(time.time()), turn.request.id
        first = await anext(events)
        ended = first.answer if isinstance(first, Final) else None
        if ended is not None and ended.status == "error":
            self._count(exchange, turn, ended)
            raise _failed(ended)
        head = [(b"content-type", _SSE), (b"cache-control", b"no-store"), *_headers(turn, ended)]
        await exchange.start(200, head)
        chunk = self.wire.chunk(trace_id, {"role": "assistant", "content": ""}, model=model, created=created)
        await exchange.write(_event(chunk), more=True)
        if isinstance(first, Text):
            await self._piece(exchange, first.text, (trace_id, model, created))
            async for event in events:
                if isinstance(event, Final):
                    ended = event.answer
                else:
                    await self._piece(exchange, event.text, (trace_id, model, created))
        elif ended is not None and ended.text:
            await self._piece(exchange, ended.text, (trace_id, model, created))
        if ended is None:
            raise Unavailable("the answer stopped before its end", code="stream_cut")
        self._count(exchange, turn, ended)
        await exchange.write(self._last(turn, ended, model, created))

    async def _piece(self, exchange: Exchange, text: str, about: tuple[str, str, int]) -> None:
        trace_id, model, created = about
        chunk = self.wire.chunk(trace_id, {"content": text}, model=model, created=created)
        await exchange.write(_event(chunk), more=True)

    def _last(self, turn: Turn, answer: Answer, model: str, created: int) -> bytes:
        """Return the proper end of a stream."""
        if answer.status == "error":
            return _event(self.wire.error_body(_failed(answer))) + _DONE
        last = _event(self.wire.final_chunk(answer, model=model, created=created))
        options = turn.request.body.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage") is True:
            last += _event(self.wire.usage_chunk(answer, model=model, created=created))
        return last + _DONE

    async def broken(self, exchange: Exchange, error: HeadgateError) -> None:
        """End a stream that has begun and cannot go on: an error event and `[DONE]`."""
        await exchange.write(_event(self.wire.error_body(error)) + _DONE)

    def _count(self, exchange: Exchange, turn: Turn, answer: Answer) -> None:
        self.meters.answered(turn.pin.app, turn.pin.environment, answer)
        exchange.facts |= {"outcome": answer.status, "route": answer.route, "cost_nano": answer.cost_nano}


@asynccontextmanager
async def _while_connected(exchange: Exchange) -> AsyncIterator[None]:
    """Cancel what runs inside when the client leaves, and turn that into Gone."""
    task = asyncio.current_task()
    assert task is not None
    gone = False

    def leave(watch: asyncio.Task[None]) -> None:
        nonlocal gone
        if not watch.cancelled() and not done:
            gone = True
            task.cancel()

    done = False
    watch = asyncio.create_task(exchange.left())
    watch.add_done_callback(leave)
    try:
        yield
    except asyncio.CancelledError:
        if not gone:
            raise
        task.uncancel()
        raise Gone from None
    finally:
        done = True
        watch.cancel()


async def _end(events: AsyncIterator[Event]) -> Answer:
    async for event in events:
        if isinstance(event, Final):
            return event.answer
    raise Unavailable("the answer has no end", code="stream_cut")


def _failed(answer: Answer) -> Unavailable:
    hint = f"try again; the trace {answer.trace_id} says what happened"
    return Unavailable("the app could not answer", hint, code=answer.reason.partition(":")[0] or "error")


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + encode(data) + b"\n\n"


def _headers(turn: Turn, answer: Answer | None) -> Headers:
    """Return our headers: which release and trace; of a whole answer also its route, cost, attempts and overhead."""
    headers = [
        (b"x-headgate-release", turn.pin.release.encode()),
        (b"x-headgate-trace", turn.request.id.encode()),
        (b"x-headgate-cache", b"none"),
    ]
    headers += limit_headers(turn.standings(), time.time())
    if answer is None:
        return headers
    headers += [
        (b"x-headgate-route", answer.route.encode("ascii", "replace")),
        (b"x-headgate-cost", units.usd(answer.cost_nano).encode()),
        (b"x-headgate-attempts", str(answer.attempts).encode()),
        (b"x-headgate-overhead-ms", f"{answer.overhead_us / 1000:.3f}".encode()),
    ]
    if answer.review_id:
        headers.append((b"x-headgate-review", answer.review_id.encode()))
    return headers
