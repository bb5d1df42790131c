"""What of a client's body goes on to a model beside its messages, and what may not. Called by `execute` and `plan`.

Fields without an opinion go on as they are. Refused is what would change who answers, where or for how much, what a
policy does not accept, and what no guard could look at before it leaves.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from headgate.guard import Policy
from headgate.kernel import InvalidInput

_OURS = frozenset(
    {
        "model", "messages", "stream", "stream_options", "user", "metadata", "max_tokens", "max_completion_tokens",
        "headgate", "max_sentences", "safety_identifier",
    }
)  # fmt: skip
"""What we set ourselves, or understand ourselves: a name of a user leaves this gateway as little as their tags do."""
_REFUSED = frozenset(
    {
        "api_base", "api_key", "api_version", "base_url", "custom_llm_provider", "headers", "extra_headers",
        "extra_query", "extra_body", "fallbacks", "models", "model_list", "route", "provider", "plugins", "transforms",
        "mcp_servers", "container", "web_search_options", "best_of", "use_beam_search", "chat_template", "background",
        "mock_response", "num_retries",
        # places to reach, and to search: Azure's and xAI's data, Groq's tools, a region, vLLM's and SGLang's peers
        "data_sources", "dataSources", "search_parameters", "search_settings", "compound_custom", "preset",
        "inference_geo", "kv_transfer_params", "bootstrap_host", "bootstrap_port", "bootstrap_room",
        # other weights, code that a server would run, another name of the output limit
        "lora", "lora_path", "logits_processors", "custom_logit_processor", "n_predict", "max_new_tokens",
        "generation_config", "deferred",
        # the prompt of the release read back, what somebody else has cached, guards of the provider's own
        "echo", "raw_output", "prompt_logprobs", "id_slot", "cachedContent", "cached_content", "systemInstruction",
        "system_instruction", "safetySettings", "safety_settings", "safety_model", "safe_prompt", "guardrails",
    }
)  # fmt: skip
"""Fields by which gateways, routers and servers let a caller choose who answers, where, at what cost, or past which
guards; of servers whose output limit goes by another name too, or the limit that is reserved would bound nothing."""
_TIERS = frozenset({"auto", "default", "flex", "standard", "standard_only", "on_demand"})
"""Tiers that cost no more than the price that is reserved."""
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
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
_SETTINGS = ("reasoning_effort", "verbosity", "service_tier")
_MEASURES = ("messages", "stop", "logit_bias", "modalities", "reasoning_effort", "verbosity", "service_tier", "seed")
_UNREAD = _OURS.union(_MEASURES)
_WORDED = (str, dict, list)
_PLAIN = _OURS | {"temperature", "top_p", "stop", "seed", "n", "presence_penalty", "frequency_penalty", "logit_bias"}
"""Fields that are only numbers and marks, or that are never sent on; a body that has no others needs no closer look."""


def carried(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that go on to a model, without messages and limits."""
    return {key: value for key, value in body.items() if value is not None and key not in _OURS}


def readable(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that go on and may hold words for a model: tools, formats, whatever we do not know."""
    return {key: value for key, value in body.items() if isinstance(value, _WORDED) and key not in _UNREAD}


def check_carried(body: Mapping[str, Any], policy: Policy) -> None:
    """Check what a client sends beside text. Raises InvalidInput naming the field."""
    if refused := _REFUSED.intersection(body):
        raise InvalidInput(
            f"{min(refused)} is not taken from callers",
            "who answers, where and for how much is for the release to say; defaults of a provider may set it",
            code="field_refused",
        )
    if not _PLAIN.issuperset(body):
        _check_fields(body, policy)
    if len(policy.accept) < len(_KINDS):
        for index, place, kind in _parts(body):
            if kind not in policy.accept:
                raise _unaccepted(kind, f"messages[{index}].content[{place}]", policy.accept)


def _check_fields(body: Mapping[str, Any], policy: Policy) -> None:
    if body.get("store"):
        raise InvalidInput("providers are not asked to store conversations", "leave store out", code="field_refused")
    _check_settings(body)
    _check_tools(body, policy)
    _check_spoken(body, policy)


def _check_settings(body: Mapping[str, Any]) -> None:
    """Refuse settings that are prose: no guard reads names of fields and efforts, and some servers hand them on."""
    if odd := next((name for name in body if not _WORD.fullmatch(name)), None):
        raise InvalidInput(f"{odd[:40]!r} is no name of a field", "leave it out", code="field_refused")
    for name in _SETTINGS:
        value = body.get(name)
        if value is not None and not (isinstance(value, str) and _WORD.fullmatch(value)):
            raise InvalidInput(f"{name} must be one word, as in 'low'", "or leave it out")
    tier = body.get("service_tier")
    if tier is not None and tier not in _TIERS:
        hint = "defaults of a provider may set it, beside the price that it has"
        raise InvalidInput(f"service_tier {tier!r} is not taken from callers", hint, code="field_refused")


def _check_tools(body: Mapping[str, Any], policy: Policy) -> None:
    for name in _TOOLS:
        if body.get(name) and "tools" not in policy.accept:
            raise _unaccepted("tools", name, policy.accept)
    for index, tool in enumerate(_listed(body, "tools")):
        kind = tool.get("type", "function")
        if kind not in ("function", "custom"):
            raise InvalidInput(
                f"tools[{index}] is of type {str(kind)[:40]!r}, which a provider would run itself",
                "offer functions, and run them where you call from",
                code="field_refused",
            )
        _check_function(tool.get(kind), f"tools[{index}].{kind}")
    for index, function in enumerate(_listed(body, "functions")):
        _check_function(function, f"functions[{index}]")


def _listed(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = body.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput(f"{name} must be a list of objects")
    return found


def _check_function(function: Any, where: str) -> None:
    """Refuse what has no name, and a function that says it is something else: Anthropic's wire has its type beside."""
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        hint = 'as in {"type": "function", "function": {"name": "look_up", "parameters": {…}}}'
        raise InvalidInput(f"{where}.name is missing", hint)
    kind = function.get("type")
    if kind not in (None, "function", "custom"):
        hint = "offer functions, and run them where you call from"
        raise InvalidInput(f"{where} is of type {str(kind)[:40]!r}", hint, code="field_refused")


def _check_spoken(body: Mapping[str, Any], policy: Policy) -> None:
    modalities = body.get("modalities")
    spoken = body.get("audio") or (isinstance(modalities, list) and any(one != "text" for one in modalities))
    if spoken and policy.enforced_output:
        raise InvalidInput(
            "this app answers in text: its policy guards answers, and guards read text only",
            "leave out audio and modalities",
            code="field_refused",
        )


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[int, int, str]]:
    """Yield where parts are that are no text, and what kind each is; calls and results of tools too."""
    for index, message in enumerate(body["messages"]):
        content, called = message.get("content"), message["role"] in ("tool", "function")
        if len(message) == 2 and isinstance(content, str) and not called:
            continue
        if called or message.get("tool_calls") or message.get("function_call"):
            yield index, 0, "tools"
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if part["type"] not in ("text", "refusal"):
                yield index, place, _kind_of(part)


def _kind_of(part: Mapping[str, Any]) -> str:
    """Return what a part is: not more than its name says, for some providers go by what it holds."""
    kind = _PARTS.get(part["type"], "other")
    if kind == "images":
        inner = part.get("image_url")
        url = inner.get("url") if isinstance(inner, dict) else inner
        if isinstance(url, str) and url[:5].lower() == "data:" and url[5:11].lower() != "image/":
            return "files"
    return kind


def _unaccepted(kind: str, where: str, accepted: Collection[str]) -> InvalidInput:
    """Build the refusal; its hint names the whole list, for what is left out of `accept` is not taken any more."""
    whole = ", ".join(name for name in _KINDS if name == kind or name in accepted)
    why = "" if kind == "tools" else ": guards read text only"
    hint = f"its policy does not accept them{why}; `accept: [{whole}]` in the policy lets them pass"
    return InvalidInput(f"{where}: this app takes no {_KINDS[kind]}", hint, code="not_accepted")


_KINDS = {
    "tools": "tools, tool calls or tool results",
    "images": "images",
    "audio": "audio",
    "video": "video",
    "files": "files",
    "other": "parts of an unknown type",
}
