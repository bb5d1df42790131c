"""One call of one provider over HTTP: sent, read whole or as a stream, and ended by one `End` or one `ProviderError`.

Called by provider files, each with the codec of its wire. It knows no wire: events are JSON, ended by `[DONE]`, by
the decoder saying so, or by the end of the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from copy import copy
from typing import Any, Protocol

import msgspec

from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.sse import StreamBroken
from headgate.models.transport import Reply, Transport

from .failures import broken_answer

_DRAIN_S = 0.05
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


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

    def answer(self, content: bytes, /) -> Any:
        """Return the JSON of a whole answer, as `decode` takes it. Raises msgspec's DecodeError or RecursionError."""
        ...

    def chunk(self, data: str, /) -> Any:
        """Return the JSON of one event, as the decoder takes it. Raises as `answer` does."""
        ...

    def parser(self) -> Parser:
        """Return what cuts the bytes of a stream into JSON texts."""
        ...


Prepare = Callable[[Call], tuple[str, Mapping[str, Any]]]
"""Checks the key and gives the path and the body to send. Raises ProviderError."""


class Exchange:
    """The events of one call: its text and its end. Iterate, or ask `together` for what has come, but not both.

    After the `End`, or a ProviderError, nothing is left to close; `aclose` before that cancels the call upstream.
    """

    __slots__ = ("_begun", "_block", "_call", "_codec", "_held", "_reply", "_request", "_stream", "over")

    def __init__(
        self, transport: Transport, codec: Codec, call: Call, prepare: Prepare, headers: Mapping[str, str] | None = None
    ) -> None:
        self._request, self._codec, self._call = (transport, prepare, headers), codec, call
        self._stream = _Stream(codec, call) if call.stream else None
        self._block: AbstractAsyncContextManager[Reply] | None = None
        self._reply: Reply | None = None
        self._held: list[Delta | End] = []
        self._begun = self.over = False

    def __aiter__(self) -> Exchange:
        return self

    async def __anext__(self) -> Delta | End:
        if not self._held:
            if self.over:
                raise StopAsyncIteration
            self._held = (await self.together())[::-1]
        return self._held.pop()

    async def together(self) -> list[Delta | End]:
        """Wait for something to come and return it with all that came at the same time. Raises ProviderError."""
        try:
            return await (self._whole() if self._stream is None else self._next(self._stream))
        except BaseException as problem:
            await self.aclose()
            if self._stream is not None and isinstance(problem, ProviderError):
                # A stream that already gave its finish reason has said everything: only its usage may be missing.
                if self._stream.decoder.reason is not None:
                    return [self._stream.decoder.end()]
                problem.retryable = problem.retryable and not self._begun
            raise

    async def aclose(self) -> None:
        """End the call, wherever it is."""
        self.over, block, self._block = True, self._block, None
        if block is not None:
            await block.__aexit__(None, None, None)

    async def _whole(self) -> list[Delta | End]:
        transport, prepare, headers = self._request
        path, body = prepare(self._call)
        status, received, content = await transport.post(path, body, self._call.timeout_s, headers)
        if status != 200:
            raise self._codec.error_of(_json(content), status, received)
        self.over = True
        return _whole(self._codec, content, self._call)

    async def _next(self, stream: _Stream) -> list[Delta | End]:
        reply = self._reply
        if reply is None:
            reply = await self._open()
            if (at_once := await self._at_once(reply)) is not None:
                await self.aclose()
                return at_once
        while True:
            if stream.problem is not None:
                raise copy(stream.problem)  # raised itself, it would hold the frames that hold the stream
            if stream.over:
                if not reply.ended():
                    await _drain(reply)
                await self.aclose()
                return [stream.decoder.end()]
            if found := stream.take(await anext(reply.pieces, None)):
                self._begun = self._begun or any(delta.text or delta.reasoning for delta in found)
                return [*found]

    async def _open(self) -> Reply:
        transport, prepare, headers = self._request
        path, body = prepare(self._call)
        block = transport.stream(path, body, self._call.timeout_s, headers)
        self._reply = await block.__aenter__()
        self._block = block
        return self._reply

    async def _at_once(self, reply: Reply) -> list[Delta | End] | None:
        """Return an answer that came whole although a stream was asked for, None for a stream; raise a refusal."""
        if reply.status != 200:
            raise self._codec.error_of(_json(await reply.start()), reply.status, reply.headers)
        if not reply.headers.get("content-type", "").startswith("application/json"):
            return None
        return _whole(self._codec, await reply.read(), self._call)


def _whole(codec: Codec, content: bytes, call: Call) -> list[Delta | End]:
    text, end = codec.decode(_must_be(codec.answer, content), call)
    return [Delta(text), end] if text else [end]


def exchange(
    transport: Transport, codec: Codec, call: Call, prepare: Prepare, headers: Mapping[str, str] | None = None
) -> Exchange:
    """Return the events of one call, which begins with the first that is asked for."""
    return Exchange(transport, codec, call, prepare, headers)


class _Stream:
    """One streamed answer on its way from bytes to deltas: `take` them until it is `over`, or there is a `problem`,
    which comes after what was taken."""

    __slots__ = ("_chunk", "_parser", "decoder", "over", "problem")

    def __init__(self, codec: Codec, call: Call) -> None:
        self.decoder, self._parser, self._chunk = codec.stream(call), codec.parser(), codec.chunk
        self.over = False
        self.problem: ProviderError | None = None

    def take(self, piece: bytes | None) -> list[Delta]:
        """Return what a piece of the body brought; None is its end."""
        found: list[Delta] = []
        try:
            if piece is not None:
                self._hear(self._parser.feed(piece), found)
                if self._parser.broken is not None and not self.over:
                    raise self._parser.broken
            else:
                self._hear(self._parser.end(), found)
                self.over = True
        except StreamBroken as problem:
            self.problem = broken_answer(f"'s stream is broken: {problem}")
        except ProviderError as problem:
            self.problem = problem.with_traceback(None)
        return found

    def _hear(self, events: list[str], found: list[Delta]) -> None:
        decoder = self.decoder
        for data in events:
            if data.strip() == "[DONE]":
                self.over = True
                return
            if (delta := decoder.feed(_must_be(self._chunk, data))) is not None:
                found.append(delta)
            if decoder.finished:
                self.over = True
                return


async def _drain(reply: Reply) -> None:
    """Read on to the end of the body, which usually is here already, so that the connection can be used again."""
    with suppress(TimeoutError, ProviderError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in reply.pieces:
                pass


def _json(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except _NO_JSON:
        return None


def _must_be(decode: Callable[[Any], Any], content: bytes | str) -> Any:
    try:
        found = decode(content)
    except _NO_JSON:
        found = None
    if found is None:
        raise broken_answer(" sent something that is not JSON")
    return found
