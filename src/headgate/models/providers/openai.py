"""Any endpoint that speaks OpenAI's chat completions: OpenAI, Azure, vLLM, llama.cpp, Ollama, Groq, Mistral, Together.

Called through `Providers`. Address and key are settings, never part of a release's identity; how a server differs from
OpenAI is a row of the quirks table.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from headgate.kernel import nearest
from headgate.models.call import Call, Delta, End
from headgate.models.embed import EmbedCall, Vectors
from headgate.models.prices import Price
from headgate.models.upstream.embeddings import embed_path, listed_input_price, read_vectors, refusal
from headgate.models.upstream.exchange import exchange
from headgate.models.upstream.host import Host, HostOptions
from headgate.models.upstream.quirks import TABLE, LimitKey, chat_path, quirks_of
from headgate.models.wires.openai_chat import encode_request
from headgate.models.wires.openai_chat import plugin as codec


class Options(HostOptions):
    """An entry of `providers:` with `type: openai`.

    api_version: for Azure, whose models are deployments. quirks: the row of the table when the address does not tell.
    """

    base_url: str = "https://api.openai.com/v1"
    limit_key: LimitKey | None = Field(default=None, description="what the output limit is called there")
    api_version: str | None = Field(default=None, pattern=r"^[\w.-]+$", description="for Azure, as `2024-10-21`")
    quirks: str | None = Field(default=None, description="a row of the quirks table, when the address does not tell")

    @field_validator("quirks")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        names = [row.name for row in TABLE]
        if value is not None and value not in names:
            raise ValueError(f"there is no row {value!r}; {nearest(value, names)}")
        return value

    @model_validator(mode="after")
    def _placed(self) -> Options:
        """Azure without a version knows no path for deployments; its newer address ends in `/v1` and needs none."""
        azure = quirks_of(self.base_url, self.quirks).name == "azure"
        if azure and self.api_version is None and not self.base_url.endswith("/v1"):
            raise ValueError("Azure needs api_version, as in 2024-10-21, or a base_url that ends in /openai/v1")
        return self


class OpenAI:
    """One endpoint and its pool of connections. `timeout` is the longest silence, a call brings its own total."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self._options = options
        self._host = Host(name, options)
        self.defaults = options.defaults
        self._quirks = quirks_of(options.base_url, options.quirks)
        self._limit_key = options.limit_key or self._quirks.limit_key
        self.transport = self._host.transport(self._quirks.headers(self._host.secret))

    def identity(self, model: str) -> dict[str, Any]:
        return self._host.identity("openai", plugin.behaviour, model)

    def price(self, model: str) -> Price | None:
        return self._host.price(model)

    def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        return exchange(self.transport, codec, call, self._prepare)

    def embed_price(self, model: str) -> Price | None:
        return self._options.price or listed_input_price(model, self._options.base_url)

    async def embed(self, call: EmbedCall) -> Vectors:
        """Embed; the answer's vectors stay as they were written."""
        self._host.need_key(self._quirks.hosted)
        body = self._quirks.shaped({**call.body, "model": call.model})
        path = embed_path(call.model, self._options.api_version)
        status, headers, content = await self.transport.post(path, body, call.timeout_s)
        if status != 200:
            raise refusal(status, headers, content)
        return read_vectors(content, call)

    async def close(self) -> None:
        await self.transport.close()

    def _prepare(self, call: Call) -> tuple[str, Mapping[str, Any]]:
        self._host.need_key(self._quirks.hosted)
        body = encode_request(call, self._limit_key, self._options.defaults)
        return chat_path(call.model, self._options.api_version), self._quirks.shaped(body)


class Plugin:
    behaviour = 1
    options = Options

    def build(self, name: str, options: Options) -> OpenAI:
        return OpenAI(name, options)


plugin = Plugin()
