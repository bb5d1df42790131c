"""Google's Gemini API (generateContent), or any endpoint that speaks it.

Called through `Providers`. Address and key are settings, never part of a release's identity.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from headgate.models.call import Call, Delta, End
from headgate.models.prices import Price
from headgate.models.upstream.exchange import exchange
from headgate.models.upstream.host import Host, HostOptions
from headgate.models.wires.gemini_contents import encode_request
from headgate.models.wires.gemini_contents import plugin as codec

_FOLDERS = ("models/", "tunedModels/")


class Options(HostOptions):
    """An entry of `providers:` with `type: gemini`."""

    base_url: str = "https://generativelanguage.googleapis.com/v1beta"


class Gemini:
    """One endpoint and its pool of connections. `timeout` is the longest silence, a call brings its own total."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self._options = options
        self._host = Host(name, options)
        self.defaults = options.defaults
        # In a header, not in the URL as the documentation also allows: URLs end up in logs.
        self.transport = self._host.transport({"x-goog-api-key": self._host.secret} if self._host.secret else {})

    def identity(self, model: str) -> dict[str, Any]:
        return self._host.identity("gemini", plugin.behaviour, model)

    def price(self, model: str) -> Price | None:
        return self._host.price(model)

    def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        return exchange(self.transport, codec, call, self._prepare)

    async def close(self) -> None:
        await self.transport.close()

    def _prepare(self, call: Call) -> tuple[str, Mapping[str, Any]]:
        self._host.need_key(self._options.base_url.startswith("https://generativelanguage.googleapis.com"))
        folder = "" if call.model.startswith(_FOLDERS) else "models/"
        method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        return f"/{folder}{quote(call.model)}:{method}", encode_request(call, self._options.defaults)


class Plugin:
    behaviour = 1
    options = Options

    def build(self, name: str, options: Options) -> Gemini:
        return Gemini(name, options)


plugin = Plugin()
