"""What of a client's body goes on to a model beside its messages, and what may not. Called by `execute` and `plan`.

Fields without an opinion go on as they are. Refused is what would change who answers, where or for how much, what a
policy does not accept, and what no guard could look at before it leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headgate.guard import Policy
from headgate.kernel import InvalidInput

_OURS = frozenset(
    {
        "model", "messages", "stream", "stream_options", "user", "metadata", "max_tokens", "max_completion_tokens",
        "headgate", "max_sentences",
    }
)  # fmt: skip
"""What we set ourselves, or understand ourselves: a name of a user leaves this gateway as little as their tags do."""
_REFUSED = frozenset(
    {
        "api_base", "api_key", "api_version", "base_url", "custom_llm_provider", "headers", "extra_headers",
        "extra_query", "extra_body", "fallbacks", "models", "model_list", "route", "provider", "plugins", "transforms",
        "mcp_servers", "container", "web_search_options", "best_of", "use_beam_search", "chat_template", "background",
        "mock_response", "num_retries",
    }
)  # fmt: skip
"""Fields by which gateways, routers and servers let a caller choose who answers, where, or at what cost."""
_TOOLS = ("tools", "functions", "tool_choice", "function_call")
_PARTS = {
    "image_url": "images",
    "input_image": "images",
    "input_audio": "audio",
    "audio": "audio",
    "video_url": "video",
    "file": "files",
    "document": "files",
}
_MEASURES = ("messages", "stop", "logit_bias", "modalities", "reasoning_effort", "verbosity", "service_tier", "seed")


def carried(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that go on to a model, without messages and limits."""
    return {key: value for key, value in body.items() if value is not None and key not in _OURS}


def readable(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that go on and may hold words for a model: tools, formats, whatever we do not know."""
    return {
        key: value
        for key, value in body.items()
        if isinstance(value, str | dict | list) and key not in _OURS and key not in _MEASURES
    }


def check_carried(body: Mapping[str, Any], policy: Policy) -> None:
    """Check what a client sends beside text. Raises InvalidInput naming the field."""
    if refused := _REFUSED.intersection(body):
        raise InvalidInput(
            f"{min(refused)} is not taken from callers",
            "who answers, where and for how much is for the release to say; defaults of a provider may set it",
            code="field_refused",
        )
    if body.get("store") is True:
        raise InvalidInput("providers are not asked to store conversations", "leave store out", code="field_refused")
    _check_tools(body, policy)
    _check_spoken(body, policy)
    if len(policy.accept) < len(_KINDS):
        for index, place, kind in _parts(body):
            if kind not in policy.accept:
                raise _unaccepted(kind, f"messages[{index}].content[{place}]")


def _check_tools(body: Mapping[str, Any], policy: Policy) -> None:
    for name in _TOOLS:
        if body.get(name) and "tools" not in policy.accept:
            raise _unaccepted("tools", name)
    tools = body.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type", "function") if isinstance(tool, dict) else tool
        if kind not in ("function", "custom"):
            raise InvalidInput(
                f"tools[{index}] is of type {str(kind)[:40]!r}, which a provider would run itself",
                "offer functions, and run them where you call from",
                code="field_refused",
            )


def _check_spoken(body: Mapping[str, Any], policy: Policy) -> None:
    modalities = body.get("modalities")
    spoken = body.get("audio") or (isinstance(modalities, list) and set(modalities) - {"text"})
    if spoken and policy.enforced_output:
        raise InvalidInput(
            "this app answers in text: its policy guards answers, and guards read text only",
            "leave out audio and modalities",
            code="field_refused",
        )


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[int, int, str]]:
    """Yield where parts are that are no text, and what kind each is; calls and results of tools too."""
    for index, message in enumerate(body["messages"]):
        if message["role"] in ("tool", "function") or message.get("tool_calls") or message.get("function_call"):
            yield index, 0, "tools"
        content = message.get("content")
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if part["type"] not in ("text", "refusal"):
                yield index, place, _PARTS.get(part["type"], "other")


def _unaccepted(kind: str, where: str) -> InvalidInput:
    why = "" if kind == "tools" else ": guards read text only"
    hint = f"its policy does not accept them{why}; `accept: [{kind}]` in the policy lets them pass"
    return InvalidInput(f"{where}: this app takes no {_KINDS[kind]}", hint, code="not_accepted")


_KINDS = {
    "tools": "tools, tool calls or tool results",
    "images": "images",
    "audio": "audio",
    "video": "video",
    "files": "files",
    "other": "parts of an unknown type",
}
