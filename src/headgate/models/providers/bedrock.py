"""Amazon Bedrock's Converse API, signed by the optional library boto3 or opened by a Bedrock API key.

Called through `Providers`. The library only finds credentials and signs; bytes go through our own transport, so that
time, size and leaving early hold here as everywhere. Region, address and credentials are settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import msgspec
from pydantic import Field

from headgate.kernel import plugins
from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.prices import Price
from headgate.models.upstream.exchange import exchange
from headgate.models.upstream.host import Host, HostOptions
from headgate.models.wires.bedrock_converse import encode_request
from headgate.models.wires.bedrock_converse import plugin as codec


class Options(HostOptions):
    """An entry of `providers:` with `type: bedrock`.

    key: a Bedrock API key; without one, requests are signed with the credentials that AWS's own settings name, or
    those of `profile`. base_url: an address of your own (a VPC endpoint, say) in the place of the region's.
    """

    base_url: str = "https://bedrock-runtime.amazonaws.com"
    region: str = Field(default="us-east-1", pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="where the models run")
    profile: str | None = Field(default=None, description="of AWS's own settings, when requests are signed")


class Bedrock:
    """One region and its pool of connections. `timeout` is the longest silence, a call brings its own total."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        if "base_url" not in options.model_fields_set:
            options = options.model_copy(update={"base_url": f"https://bedrock-runtime.{options.region}.amazonaws.com"})
        self._options = options
        self._host = Host(name, options)
        self.defaults = options.defaults
        self._credentials: Any = None
        self.transport = self._host.transport(
            {"Authorization": f"Bearer {self._host.secret}"} if self._host.secret else {}
        )

    def identity(self, model: str) -> dict[str, Any]:
        return self._host.identity("bedrock", plugin.behaviour, model)

    def price(self, model: str) -> Price | None:
        return self._host.price(model)

    async def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        self._host.need_key(always=False)
        method = "converse-stream" if call.stream else "converse"
        path, body = f"/model/{quote(call.model, safe=':')}/{method}", encode_request(call, self._options.defaults)
        # The colon stays as it is, because what is signed must be the path that is sent.
        # Finding credentials may ask another service, by the library's own blocking calls.
        headers = None if self._host.secret else await asyncio.to_thread(self._signature, path, body)
        async with aclosing(exchange(self.transport, codec, call, lambda _: (path, body), headers)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        await self.transport.close()

    def _signature(self, path: str, body: Mapping[str, Any]) -> dict[str, str]:
        """Return the headers that sign this request. Raises ProviderError without credentials."""
        try:
            import boto3  # type: ignore[import-untyped, unused-ignore]
            from botocore.auth import SigV4Auth  # type: ignore[import-untyped, unused-ignore]
            from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped, unused-ignore]
            from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped, unused-ignore]
        except ModuleNotFoundError as problem:
            absent = plugins.missing(problem.name or "boto3", f"the provider {self.name!r}")
            raise ProviderError(absent.message, absent.hint, code="provider_auth") from None
        try:
            if self._credentials is None:
                self._credentials = boto3.Session(profile_name=self._options.profile).get_credentials()
            if self._credentials is None:
                raise self._nobody("AWS knows no credentials here")
            headers = {"Content-Type": "application/json"}
            # botocore quotes the path once more, as the service expects it of a path that is quoted already.
            request = AWSRequest("POST", self._options.base_url + path, headers, msgspec.json.encode(body))
            SigV4Auth(self._credentials.get_frozen_credentials(), "bedrock", self._options.region).add_auth(request)
        except BotoCoreError as problem:
            raise self._nobody(str(problem)) from None
        return {key: value for key, value in request.headers.items() if key != "Content-Type"}

    def _nobody(self, why: str) -> ProviderError:
        return ProviderError(
            f"the provider {self.name!r} has no key: {why}",
            f"set providers.{self.name}.key, or give the process AWS credentials",
            code="provider_auth",
        )


class Plugin:
    behaviour = 1
    options = Options

    def build(self, name: str, options: Options) -> Bedrock:
        return Bedrock(name, options)


plugin = Plugin()
