"""Any endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, Ollama, TGI and their like.

Called through `Providers`. Address and key are settings, never part of a release's identity.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from headgate.kernel import Duration, HeadgateError
from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.prices import Price, known_price
from headgate.models.sse import EventParser, StreamBroken
from headgate.models.transport import Limits, Reply, Transport, checked_url
from headgate.models.wires.openai_chat import StreamDecoder, decode, encode_request, error_of

_OPENAI = "https://api.openai.com/v1"
_PER_CALL = frozenset(
    {"model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "tools", "functions"}
)
_DRAIN_S = 0.05
_UNRESOLVED = re.compile(r"^\$\{env:([^}]+)\}$")


class Options(BaseModel):
    """An entry of `providers:`. `defaults` are parameters for calls that do not set them, part of the identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = _OPENAI
    key: SecretStr | None = None
    revision: str = ""
    price: Price | None = None
    defaults: dict[str, Any] = Field(default_factory=dict)
    limit_key: Literal["max_tokens", "max_completion_tokens"] | None = None
    timeout: Duration = 30_000_000
    connect_timeout: Duration = 5_000_000

    @field_validator("defaults")
    @classmethod
    def _cheap(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Keep out what a call must say itself, and what would let a call cost more than its bound."""
        if refused := sorted(_PER_CALL & value.keys()):
            raise ValueError(f"{', '.join(refused)} cannot be a default; set it in the prompt or the request")
        return value

    @field_validator("base_url")
    @classmethod
    def _plain(cls, value: str) -> str:
        try:
            return checked_url(value)
        except HeadgateError as problem:
            raise ValueError(f"{problem.message}; {problem.hint}") from None


class OpenAI:
    """One endpoint and its pool of connections. `timeout` is the longest silence, a call brings its own total."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self._options = options
        self._hosted = options.base_url == _OPENAI
        self._limit_key = options.limit_key or ("max_completion_tokens" if self._hosted else "max_tokens")
        self._secret = options.key.get_secret_value() if options.key else ""
        headers = {"Authorization": f"Bearer {self._secret}"} if self._secret else {}
        limits = Limits(options.connect_timeout / 1e6, options.timeout / 1e6)
        self.transport = Transport(options.base_url, headers, limits)

    def identity(self, model: str) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "openai", "model": model, "behaviour": plugin.behaviour}
        if self._options.revision:
            found["revision"] = self._options.revision
        return found | ({"defaults": self._options.defaults} if self._options.defaults else {})

    def price(self, model: str) -> Price | None:
        return self._options.price or known_price(model, self._options.base_url)

    async def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        self._need_key()
        body = encode_request(call, self._limit_key, self._options.defaults)
        if not call.stream:
            status, headers, content = await self.transport.post("/chat/completions", body, call.timeout_s)
            if status != 200:
                raise error_of(_json(content), status, headers)
            text, end = decode(_must_json(content), call)
            if text:
                yield Delta(text)
            yield end
            return
        async with aclosing(self._stream(call, body)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        await self.transport.close()

    async def _stream(self, call: Call, body: Mapping[str, Any]) -> AsyncGenerator[Delta | End]:
        decoder, begun = StreamDecoder(call), False
        try:
            async with self.transport.stream("/chat/completions", body, call.timeout_s) as reply:
                if reply.status != 200:
                    raise error_of(_json(await reply.start()), reply.status, reply.headers)
                async with aclosing(_chunks(reply)) as chunks:
                    async for chunk in chunks:
                        if delta := decoder.feed(chunk):
                            begun = True
                            yield delta
        except ProviderError as problem:
            # A stream that already gave its finish reason has said everything: only its usage may be missing.
            if decoder.reason is None:
                problem.retryable = problem.retryable and not begun
                raise
        yield decoder.end()

    def _need_key(self) -> None:
        unresolved = _UNRESOLVED.match(self._secret)
        if unresolved or (self._hosted and not self._secret):
            hint = f"set {unresolved[1]}" if unresolved else f"set providers.{self.name}.key in headgate.yaml"
            raise ProviderError(f"the provider {self.name!r} has no key", hint, code="provider_auth")


async def _chunks(reply: Reply) -> AsyncGenerator[Any]:
    """Decode the events of a reply until `[DONE]` or its end."""
    parser = EventParser()
    try:
        async for piece in reply.pieces:
            for data in parser.feed(piece):
                if data.strip() == "[DONE]":
                    await _drain(reply)
                    return
                yield _must_json(data.encode())
        for data in parser.end():
            if data.strip() != "[DONE]":
                yield _must_json(data.encode())
    except StreamBroken as problem:
        raise ProviderError(
            f"the provider's stream is broken: {problem}", code="provider_protocol", retryable=True
        ) from None


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
        raise ProviderError("the provider sent something that is not JSON", code="provider_protocol", retryable=True)
    return found


class Plugin:
    behaviour = 1
    options = Options

    def build(self, name: str, options: Options) -> OpenAI:
        return OpenAI(name, options)


plugin = Plugin()
