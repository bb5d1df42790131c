"""Conversations over HTTP: OpenAI's chat and responses, Anthropic's messages, each streamed or not. Called by the app.

What differs between wires is in their edges; here is what they share. A stream ends exactly once, in its wire's own
terms (P8). A client that leaves cancels everything upstream (P9).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from headgate.kernel import Answer, Event, Text, Unavailable, units
from headgate.platform import Asked, Edge, Gateway, Known, StreamEncoder, Turn

from .bodies import CHAT_LIMIT, decode_object
from .connection import WhileConnected
from .exchange import Exchange, TraceIds, limit_headers
from .meters import Meters

Headers = list[tuple[bytes, bytes]]
Know = Callable[[Exchange], Awaitable[Known]]
COUNT = "/count_tokens"
_SSE = b"text/event-stream; charset=utf-8"


class Chat:
    """One wire of one gateway. know: finds out who calls."""

    def __init__(self, gateway: Gateway, meters: Meters, trace_ids: TraceIds, edge: Edge, know: Know) -> None:
        self.gateway, self.meters, self.edge, self._know = gateway, meters, edge, know
        self.trace_ids = trace_ids

    async def converse(self, exchange: Exchange) -> None:
        """Answer one request. Raises HeadgateError before anything was sent, Gone when the client left."""
        known = await self._know(exchange)
        content = await exchange.body(CHAT_LIMIT)
        sent = decode_object(content)
        body = self.edge.decode_request(sent)
        trace_id = self.trace_ids.of(exchange.headers.get("traceparent", ""))
        session = exchange.headers.get("x-headgate-session", "")[:128]
        turn = await self.gateway.open(known, body, trace_id, session, len(content))
        pin, facts = turn.pin, exchange.facts
        facts["app"], facts["environment"], facts["release"] = pin.app, pin.environment, pin.release[7:19]
        facts["trace"] = trace_id
        if known.principal.key_id:
            facts["key"] = known.principal.key_id
        asked = Asked(body["model"], int(time.time()), trace_id, sent)
        self.meters.in_flight += 1
        try:
            with WhileConnected(exchange):
                if turn.request.stream:
                    await self._stream(exchange, turn, asked)
                else:
                    await self._whole(exchange, turn, asked)
        finally:
            self.meters.in_flight -= 1

    @property
    def counts(self) -> bool:
        """Whether clients of this wire may ask how long a conversation is."""
        return hasattr(self.edge, "count")

    async def count(self, exchange: Exchange) -> None:
        """Answer with an estimate of a conversation's tokens; no model is asked."""
        known = await self._know(exchange)
        sent = decode_object(await exchange.body(CHAT_LIMIT))
        turn = await self.gateway.open(known, sent, self.trace_ids.of(""))
        counted: int = self.edge.count(turn.request.body)  # type: ignore[attr-defined]
        await exchange.json(200, {"input_tokens": counted})

    async def _whole(self, exchange: Exchange, turn: Turn, asked: Asked) -> None:
        answer = await turn.answer()
        if answer.status != "error":
            await exchange.json(200, self.edge.completion(answer, asked), _headers(turn, answer))
        self.gateway.afterwards(self._count, exchange, turn, answer)
        if answer.status == "error":
            raise _failed(answer)

    async def _stream(self, exchange: Exchange, turn: Turn, asked: Asked) -> None:
        """Send events. The head is sent with the first one, so that an error before it keeps its status."""
        encoder = self.edge.encoder(asked)

        async def say(event: Event) -> None:
            opening = b"" if exchange.status else await _opened(exchange, encoder, _headers(turn, None))
            await exchange.write(opening + _piece(encoder, event), more=True)

        answer = await turn.answer(say)
        self.gateway.afterwards(self._count, exchange, turn, answer)
        failed = _failed(answer) if answer.status == "error" else None
        if exchange.status:
            await exchange.write(encoder.error(failed) if failed else encoder.end(answer))
        elif failed:
            raise failed
        else:
            opening = await _opened(exchange, encoder, _headers(turn, answer))
            await exchange.write(opening + encoder.end(answer))

    def _count(self, exchange: Exchange, turn: Turn, answer: Answer) -> None:
        self.meters.answered(turn.pin.counted, turn.pin.environment, answer)
        facts = exchange.facts
        facts["outcome"], facts["route"], facts["cost_nano"] = answer.status, answer.route, answer.cost_nano


def _piece(encoder: StreamEncoder, event: Event) -> bytes:
    if isinstance(event, Text):
        return encoder.refusal(event.text) if event.refusal else encoder.text(event.text)
    return encoder.reasoning(event.text)


async def _opened(exchange: Exchange, encoder: StreamEncoder, headers: Headers) -> bytes:
    """Send the head of a stream; return what opens its body."""
    exchange.ending = encoder.error
    await exchange.start(200, [(b"content-type", _SSE), (b"cache-control", b"no-store"), *headers])
    return encoder.start()


_STATUS = {"provider_rejected": 400, "content_filter": 400, "provider_rate_limit": 429, "provider_timeout": 504}
"""What an answer that failed is for the client; 503 for anything else: trying again may help."""


def _failed(answer: Answer) -> Unavailable:
    code = answer.reason.partition(":")[0] or "error"
    hint = f"the trace {answer.trace_id} says what happened"
    error = Unavailable(f"{answer.route or 'the app'} could not answer: {_said(answer) or code}", hint, code=code)
    error.status = _STATUS.get(code, 503)
    return error


def _said(answer: Answer) -> str:
    """Return what a provider said of a call that it did not understand: to who called its model directly, for it may
    quote what an app keeps to itself."""
    if answer.release:
        return ""
    attempts = next((stage.facts.get("attempts") or [] for stage in answer.stages if stage.name == "generate"), [])
    return str(attempts[-1].get("said") or "") if attempts else ""


def _headers(turn: Turn, answer: Answer | None) -> Headers:
    """Return our headers: which release and trace; of a whole answer also its route, cost, attempts and overhead."""
    headers = [
        (b"x-headgate-release", turn.pin.release.encode() or b"none"),
        (b"x-headgate-trace", turn.request.id.encode()),
        (b"x-headgate-cache", b"none"),
    ]
    if standings := turn.standings():
        headers += limit_headers(standings, time.time())
    if answer is None:
        return headers
    headers += (
        (b"x-headgate-route", answer.route.encode("ascii", "replace")),
        (b"x-headgate-cost", units.usd(answer.cost_nano).encode()),
        (b"x-headgate-attempts", b"%d" % answer.attempts),
        (b"x-headgate-overhead-ms", b"%d.%03d" % divmod(answer.overhead_us, 1000)),
    )
    if answer.review_id:
        headers.append((b"x-headgate-review", answer.review_id.encode()))
    return headers
