"""How servers that speak OpenAI's chat completions differ from OpenAI: one table, found by base URL or by name.

Called by the `openai` provider. A row says only what a server refuses or wants otherwise; a parameter that a server
refuses is left out when it is a hint (a seed, a penalty), and sent when leaving it out would change what is asked.
Sources: the OpenAI-compatibility pages of the providers, 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from .marks import without_marks

LimitKey = Literal["max_tokens", "max_completion_tokens"]

_OPENAI_ONLY = ("service_tier", "store", "metadata", "user", "prompt_cache_key", "safety_identifier", "verbosity")


@dataclass(frozen=True, slots=True)
class Quirks:
    """One row. hosts: the end of the host names it is for. usage: whether a stream must be asked for its usage.

    without: parameters that the server refuses. renamed: parameters that it calls otherwise. key_header: where the key
    goes; `Authorization` puts `Bearer` before it. hosted: nobody answers without a key. strict: the server refuses what
    it does not know, so what only Anthropic's wire knows is left out.
    """

    name: str
    hosts: tuple[str, ...] = ()
    limit_key: LimitKey = "max_tokens"
    usage: bool = True
    without: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    key_header: str = "Authorization"
    hosted: bool = True
    strict: bool = False

    def shaped(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body as this server takes it; the same object when there is nothing to change."""
        if self.strict:
            body = without_marks(body)
        for name in self.without:
            body.pop(name, None)
        if not self.usage:
            body.pop("stream_options", None)
        for name, other in self.renamed.items():
            if name in body:
                body[other] = body.pop(name)
        return body

    def headers(self, key: str) -> dict[str, str]:
        if not key:
            return {}
        return {self.key_header: f"Bearer {key}" if self.key_header == "Authorization" else key}


OTHER = Quirks("other", hosted=False)
"""A server that the table does not know: vLLM, TGI, SGLang, LM Studio, a proxy of your own."""

TABLE = (
    Quirks("openai", ("api.openai.com",), "max_completion_tokens", strict=True),
    Quirks(
        "azure",
        (".openai.azure.com", ".cognitiveservices.azure.com"),
        "max_completion_tokens",
        key_header="api-key",
        strict=True,
    ),
    Quirks(
        "groq",
        ("api.groq.com",),
        "max_completion_tokens",
        without=("logit_bias", "logprobs", "top_logprobs"),
        strict=True,
    ),
    Quirks(
        "mistral",
        ("api.mistral.ai",),
        usage=False,
        without=("logit_bias", "logprobs", "top_logprobs", *_OPENAI_ONLY),
        renamed={"seed": "random_seed"},
        strict=True,
    ),
    Quirks(
        "cerebras",
        ("api.cerebras.ai",),
        "max_completion_tokens",
        without=("frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls", "service_tier"),
        strict=True,
    ),
    Quirks("together", ("api.together.xyz", "api.together.ai")),
    Quirks("fireworks", ("api.fireworks.ai",)),
    Quirks("deepseek", ("api.deepseek.com",)),
    Quirks("openrouter", ("openrouter.ai",)),
    Quirks("xai", ("api.x.ai",), "max_completion_tokens"),
    Quirks("perplexity", ("api.perplexity.ai",), usage=False),
    Quirks("ollama", ("ollama.com",), hosted=False),
    Quirks("vllm", hosted=False),
    Quirks("llama.cpp", hosted=False),
    OTHER,
)


def quirks_of(base_url: str, name: str | None = None) -> Quirks:
    """Return the row of that name, or the first whose host the base URL has, or `OTHER`."""
    if name is not None:
        return next(row for row in TABLE if row.name == name)
    host = urlsplit(base_url).hostname or ""
    return next((row for row in TABLE if any(_is(host, end) for end in row.hosts)), OTHER)


def chat_path(model: str, api_version: str | None) -> str:
    """Return where chat completions are below the base URL: per deployment when the server has API versions (Azure)."""
    if api_version is None:
        return "/chat/completions"
    return f"/openai/deployments/{quote(model, safe='')}/chat/completions?api-version={quote(api_version, safe='')}"


def _is(host: str, end: str) -> bool:
    return host == end or host.endswith(end if end.startswith(".") else f".{end}")
