"""What an entry of `providers:` says about a host, whatever wire it speaks: address, key, price, times, defaults.

Called by provider files. Address and key are settings and never part of a release's identity (decision 4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, field_validator

from headgate.kernel import Duration, HeadgateError
from headgate.models.call import ProviderError
from headgate.models.prices import Price, known_price
from headgate.models.transport import LOCAL, Limits, PrivateHosts, Route, Transport, checked_url

_PER_CALL = frozenset(
    {"model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "tools", "functions"}
)
_ENDPOINTS = ("/chat/completions", "/responses", "/v1/messages", "/embeddings", "/models")
"""Ends of addresses that people copy from a provider's examples; with one of them every call would be a 404."""
_UNRESOLVED = re.compile(r"^\$\{env:([^}]+)\}$")


def _cheap(value: dict[str, Any]) -> dict[str, Any]:
    """Keep out what a call must say itself, and what would let a call cost more than its bound."""
    if refused := sorted(_PER_CALL & value.keys()):
        raise ValueError(f"{', '.join(refused)} cannot be a default; set it in the prompt or the request")
    return value


Defaults = Annotated[dict[str, Any], AfterValidator(_cheap)]
"""Parameters for calls that do not set them."""


class HostOptions(BaseModel):
    """An entry of `providers:`. `defaults` are parameters for calls that do not set them, part of the identity.

    Which private hosts are open is no option: `Providers` gives it as the context of the validation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(description="where the API is; changing it changes no release")
    key: SecretStr | None = Field(default=None, description="as `${env:NAME}`, so that no file holds it")
    revision: str = Field(
        default="", description="what was deployed there, for hosts of your own; part of the identity"
    )
    price: Price | None = None
    defaults: Defaults = Field(
        default_factory=dict, description="parameters for calls that do not set them; part of the identity"
    )
    timeout: Duration = Field(default=30_000_000, description="the longest silence inside an answer")
    connect_timeout: Duration = Field(default=5_000_000, description="how long a connection may take to open")
    _private: PrivateHosts = PrivateAttr(default=LOCAL)

    def model_post_init(self, context: Any) -> None:
        if isinstance(context, PrivateHosts):
            self._private = context

    def route(self) -> Route:
        """Return the way out that the settings of the server leave open."""
        return Route(self._private)

    @field_validator("base_url")
    @classmethod
    def _plain(cls, value: str) -> str:
        try:
            url = checked_url(value)
        except HeadgateError as problem:
            raise ValueError(f"{problem.message}; {problem.hint}") from None
        if whole := next((end for end in _ENDPOINTS if url.endswith(end)), None):
            raise ValueError(f"a base URL ends before {whole}, which is added to it: write {url.removesuffix(whole)}")
        return url


class Host:
    """One address with its key: knows whether the key is there, what its models cost, and how they are pinned."""

    def __init__(self, name: str, options: HostOptions) -> None:
        self.name = name
        self.options = options
        self.secret = options.key.get_secret_value() if options.key else ""

    def transport(self, headers: Mapping[str, str]) -> Transport:
        limits = Limits(self.options.connect_timeout / 1e6, self.options.timeout / 1e6)
        return Transport(self.options.base_url, headers, limits, self.options.route())

    def identity(self, kind: str, behaviour: int, model: str) -> dict[str, Any]:
        """Return what a release pins: type, model, revision, defaults; no address, no key."""
        found: dict[str, Any] = {"type": kind, "model": model, "behaviour": behaviour}
        if self.options.revision:
            found["revision"] = self.options.revision
        return found | ({"defaults": self.options.defaults} if self.options.defaults else {})

    def price(self, model: str) -> Price | None:
        return self.options.price or known_price(model, self.options.base_url)

    def need_key(self, always: bool) -> None:
        need_key(self.name, self.secret, always)


def need_key(name: str, secret: str, always: bool) -> None:
    """Raise ProviderError when the key's variable is not set, or, with `always`, when there is no key."""
    unresolved = _UNRESOLVED.match(secret)
    if unresolved or (always and not secret):
        hint = f"set {unresolved[1]}" if unresolved else f"set providers.{name}.key in headgate.yaml"
        raise ProviderError(f"the provider {name!r} has no key", hint, code="provider_auth")
