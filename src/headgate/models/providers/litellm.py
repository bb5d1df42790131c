"""The long tail of providers, through the optional library LiteLLM: whatever it reaches and we have no file for.

Called through `Providers`. The library is imported at the first call and makes its own connections: our bounds of time
hold, our checks of outbound calls do not, and of a whole answer without an end the library makes a proper one. Prefer
a provider file of ours where there is one.
"""

from __future__ import annotations

import asyncio
import importlib.util
import warnings
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from os import environ
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from headgate.kernel import Duration, plugins
from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.prices import Price
from headgate.models.upstream.failures import broken_answer, failure, refused
from headgate.models.upstream.host import Defaults, need_key
from headgate.models.wires.openai_chat import StreamDecoder, decode, encode_request

_PARAMETERS = frozenset(
    {
        "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stop", "seed", "stream",
        "stream_options", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "tools",
        "tool_choice", "functions", "function_call", "parallel_tool_calls", "response_format", "reasoning_effort",
        "modalities", "audio", "prediction", "service_tier", "verbosity", "top_k", "thinking", "user",
        "prompt_cache_key", "safety_identifier", "max_sentences", "headgate",
    }
)  # fmt: skip
"""What a caller may set. The library takes its own settings, address and key among them, beside the model's."""


class Options(BaseModel):
    """An entry of `providers:` with `type: litellm`. prefix: the library's name of the provider, put before models.

    Without `key`, the library looks for keys in the environment variables that its documentation names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefix: str = Field(default="", description="the library's name of the provider, put before models")
    api_base: str | None = Field(default=None, description="where the API is, when not at the provider's own address")
    key: SecretStr | None = None
    revision: str = ""
    price: Price | None = None
    defaults: Defaults = Field(default_factory=dict)
    timeout: Duration = 30_000_000


class LiteLLM:
    """One of the library's providers. `timeout` is the longest silence, a call brings its own total."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self._options = options
        self.defaults = options.defaults
        self._secret = options.key.get_secret_value() if options.key else ""
        if importlib.util.find_spec("litellm") is None:
            raise plugins.missing("litellm", f"the provider {name!r}")

    def identity(self, model: str) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "litellm", "model": model, "behaviour": plugin.behaviour}
        for key in ("prefix", "revision", "defaults"):
            if value := getattr(self._options, key):
                found[key] = value
        return found

    def price(self, model: str) -> Price | None:
        return self._options.price

    async def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        need_key(self.name, self._secret, always=False)
        library = await asyncio.to_thread(_library)
        decoder, deadline = StreamDecoder(call), asyncio.get_running_loop().time() + call.timeout_s
        answer = await self._wait(library.acompletion(**self._parameters(call)), deadline)
        if not call.stream:
            text, end = decode(answer.model_dump(exclude_none=True), call)
            if text:
                yield Delta(text)
            yield end
            return
        stream, begun = aiter(answer), False
        try:
            while (chunk := await self._wait(anext(stream, None), deadline)) is not None:
                if delta := decoder.feed(chunk.model_dump(exclude_none=True)):
                    begun = begun or bool(delta.text or delta.reasoning)
                    yield delta
        except ProviderError as problem:
            if decoder.reason is None:
                problem.retryable = problem.retryable and not begun
                raise
        finally:
            await _closed(answer)
        if getattr(answer, "received_finish_reason", "") is None:
            # The library ends a stream that broke off with a `stop` of its own making.
            decoder.reason = None
        yield decoder.end()

    async def close(self) -> None:
        return None

    def _parameters(self, call: Call) -> dict[str, Any]:
        if unknown := sorted(call.body.keys() - _PARAMETERS):
            raise refused(
                f"the provider {self.name!r} may not be sent {unknown[0]} by a caller", "set it in its defaults"
            )
        found = encode_request(call, "max_tokens", self._options.defaults)
        prefix = self._options.prefix
        found |= {"model": f"{prefix}/{call.model}" if prefix else call.model, "num_retries": 0, "max_retries": 0}
        found["timeout"] = min(call.timeout_s, self._options.timeout / 1e6)
        if self._secret:
            found["api_key"] = self._secret
        if self._options.api_base:
            found["api_base"] = self._options.api_base
        return found

    async def _wait(self, pending: Awaitable[Any], deadline: float) -> Any:
        """Wait for the library, bounded by the longest silence and by the call's end. Raises ProviderError only."""
        silent = asyncio.get_running_loop().time() + self._options.timeout / 1e6
        try:
            async with asyncio.timeout_at(min(silent, deadline)):
                return await pending
        except TimeoutError:
            raise ProviderError("the provider was too slow", code="provider_timeout", retryable=True) from None
        except Exception as problem:  # noqa: BLE001  plugin call: the library may raise anything
            raise _failed(problem) from None


def _library() -> Any:
    """Import the library, keeping it from asking the network for prices and from talking to standard output."""
    # Written, not read: the library has no other switch for it, and looks at it while it is imported.
    environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litellm  # type: ignore[import-not-found, import-untyped, unused-ignore]
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm


async def _closed(stream: Any) -> None:
    """Close what the library reads from, or its connection would stay open until it is collected."""
    for found in (stream, getattr(stream, "completion_stream", None)):
        close = getattr(found, "aclose", None) or getattr(found, "close", None)
        if close is None:
            continue
        with suppress(Exception):  # a plugin call: nothing that closing raises can matter any more
            waiting = close()
            if hasattr(waiting, "__await__"):
                await waiting


def _failed(problem: Exception) -> ProviderError:
    """Read one of the library's exceptions, which carry a status and name the kind in their class."""
    kinds = {kind.__name__ for kind in type(problem).__mro__}
    status = getattr(problem, "status_code", None)
    response = getattr(problem, "response", None)
    headers = {str(key).lower(): str(value) for key, value in dict(getattr(response, "headers", None) or {}).items()}
    if "APIConnectionError" in kinds and not isinstance(problem, ValueError):
        text = " ".join(str(problem).split())[:300]
        return ProviderError(f"the provider cannot be reached: {text}", code="provider_connection", retryable=True)
    if not isinstance(status, int):
        return broken_answer(f"'s answer broke the library: {type(problem).__name__}")
    words = "content_filter" if "ContentPolicyViolationError" in kinds else "timeout" if "Timeout" in kinds else ""
    return failure(status, words, getattr(problem, "message", None) or str(problem), headers)


class Plugin:
    behaviour = 1
    options = Options

    def build(self, name: str, options: Options) -> LiteLLM:
        return LiteLLM(name, options)


plugin = Plugin()
