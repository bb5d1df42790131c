"""Anthropic's messages API, or any endpoint that speaks it.

Called through `Providers`. Address and key are settings, never part of a release's identity; beta features are, they
change answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import Field

from headgate.models.call import Call, Delta, End
from headgate.models.prices import Price
from headgate.models.upstream.exchange import exchange
from headgate.models.upstream.host import Host, HostOptions
from headgate.models.wires.anthropic_messages import encode_request
from headgate.models.wires.anthropic_messages import plugin as codec

_VERSION = "2023-06-01"


class Options(HostOptions):
    """An entry of `providers:` with `type: anthropic`. betas: values of the `anthropic-beta` header."""

    base_url: str = "https://api.anthropic.com/v1"
    betas: list[str] = Field(default_factory=list, description="beta features to ask for; part of the identity")


class Anthropic:
    """One endpoint and its pool of connections. `timeout` is the longest silence, a call brings its own total."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self._options = options
        self._host = Host(name, options)
        self.defaults = options.defaults
        headers = {"anthropic-version": _VERSION}
        if self._host.secret:
            headers["x-api-key"] = self._host.secret
        if options.betas:
            headers["anthropic-beta"] = ",".join(options.betas)
        self.transport = self._host.transport(headers)

    def identity(self, model: str) -> dict[str, Any]:
        found = self._host.identity("anthropic", plugin.behaviour, model)
        return found | ({"betas": sorted(self._options.betas)} if self._options.betas else {})

    def price(self, model: str) -> Price | None:
        return self._host.price(model)

    def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        return exchange(self.transport, codec, call, self._prepare)

    async def close(self) -> None:
        await self.transport.close()

    def _prepare(self, call: Call) -> tuple[str, Mapping[str, Any]]:
        self._host.need_key(self._options.base_url.startswith("https://api.anthropic.com"))
        return "/messages", encode_request(call, self._options.defaults)


class Plugin:
    behaviour = 1
    options = Options

    def build(self, name: str, options: Options) -> Anthropic:
        return Anthropic(name, options)


plugin = Plugin()
