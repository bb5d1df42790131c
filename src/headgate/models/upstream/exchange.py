"""One call of one provider over HTTP: sent, read whole or as a stream, and ended by one `End` or one `ProviderError`.

Called by provider files, each with the codec of its wire. It knows no wire: events are JSON, ended by `[DONE]`, by
the decoder saying so, or by the end of the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Protocol

import msgspec

from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.sse import StreamBroken
from headgate.models.transport import Reply, Transport

from .failures import broken_answer

_DRAIN_S = 0.05


class Decoder(Protocol):
    """Reads one streamed answer. `reason`: why it ended, None until it has; `finished`: nothing follows."""

    reason: str | None
    finished: bool

    def feed(self, chunk: Any) -> Delta | None: ...

    def end(self) -> End: ...


class Parser(Protocol):
    """Cuts the bytes of a stream into JSON texts; `broken` holds what is wrong after those already given."""

    broken: StreamBroken | None

    def feed(self, chunk: bytes) -> list[str]: ...

    def end(self) -> list[str]: ...


class Codec(Protocol):
    """The answering half of a wire, as files in `wires/` offer it."""

    def decode(self, data: Any, call: Call) -> tuple[str, End]: ...

    def stream(self, call: Call) -> Decoder: ...

    def error_of(self, data: Any, status: int | None, headers: Mapping[str, str]) -> ProviderError: ...

    def parser(self) -> Parser:
        """Return what cuts the bytes of a stream into JSON texts."""
        ...


Prepare = Callable[[Call], tuple[str, Mapping[str, Any]]]
"""Checks the key and gives the path and the body to send. Raises ProviderError."""


async def exchange(
    transport: Transport, codec: Codec, call: Call, prepare: Prepare, headers: Mapping[str, str] | None = None
) -> AsyncGenerator[Delta | End]:
    """Yield the answer's text and its end. Raises ProviderError; closing the generator cancels the call upstream."""
    path, body = prepare(call)
    if not call.stream:
        status, received, content = await transport.post(path, body, call.timeout_s, headers)
        if status != 200:
            raise codec.error_of(_json(content), status, received)
        for event in _whole(codec, content, call):
            yield event
        return
    decoder, begun = codec.stream(call), False
    try:
        async with transport.stream(path, body, call.timeout_s, headers) as reply:
            if (events := await _at_once(codec, reply, call)) is not None:
                for event in events:
                    begun = True
                    yield event
                return
            async with aclosing(_chunks(reply, codec.parser(), decoder)) as chunks:
                async for chunk in chunks:
                    if delta := decoder.feed(chunk):
                        begun = begun or bool(delta.text or delta.reasoning)
                        yield delta
    except ProviderError as problem:
        # A stream that already gave its finish reason has said everything: only its usage may be missing.
        if decoder.reason is None:
            problem.retryable = problem.retryable and not begun
            raise
    yield decoder.end()


async def _at_once(codec: Codec, reply: Reply, call: Call) -> list[Delta | End] | None:
    """Raise what a refusal says; read an answer that came whole although a stream was asked for; None for a stream."""
    if reply.status != 200:
        raise codec.error_of(_json(await reply.start()), reply.status, reply.headers)
    if not reply.headers.get("content-type", "").startswith("application/json"):
        return None
    return _whole(codec, await reply.read(), call)


def _whole(codec: Codec, content: bytes, call: Call) -> list[Delta | End]:
    text, end = codec.decode(_must_json(content), call)
    return [Delta(text), end] if text else [end]


async def _chunks(reply: Reply, parser: Parser, decoder: Decoder) -> AsyncGenerator[Any]:
    """Decode the events of a reply until its wire's last one, or its end."""
    try:
        async for piece in reply.pieces:
            for data in parser.feed(piece):
                if data.strip() == "[DONE]":
                    await _drain(reply)
                    return
                yield _must_json(data.encode())
                if decoder.finished:
                    await _drain(reply)
                    return
            if parser.broken is not None:
                raise parser.broken
        for data in parser.end():
            if data.strip() != "[DONE]":
                yield _must_json(data.encode())
    except StreamBroken as problem:
        raise broken_answer(f"'s stream is broken: {problem}") from None


async def _drain(reply: Reply) -> None:
    """Read on to the end of the body, which usually is here already, so that the connection can be used again."""
    with suppress(TimeoutError, ProviderError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in reply.pieces:
                pass


def _json(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _must_json(content: bytes) -> Any:
    found = _json(content)
    if found is None:
        raise broken_answer(" sent something that is not JSON")
    return found
