"""What an answer holds in the words of Anthropic's wire: blocks, reason, usage. Called by the plugin beside it.

Answers come from any provider: nothing in `Answer.extra` is trusted to have a shape, and nothing here raises for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.kernel import Answer
from headgate.models.upstream.turns import arguments

_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_NATIVE = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
"""Reasons that this wire tells apart and a neutral answer does not, as a provider of this wire gave them."""
_OWN_USAGE = ("cache_creation", "server_tool_use", "inference_geo")
_OURS = frozenset({"message", "choice", "choices", "usage", "service_tier"})
_TOLD = frozenset({"", "text", "thinking", "redacted_thinking", "tool_use"})
_encode = msgspec.json.Encoder().encode


def message_of(answer: Answer) -> Mapping[str, Any]:
    """Return what the message holds beside its text."""
    return _dict(answer.extra.get("message"))


def thoughts_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the blocks of thought: as a provider of this wire signed them, else the reasoning as one unsigned."""
    found = [block for block in _dicts(message.get("thinking_blocks")) if _str(block.get("type")) in _THOUGHTS]
    if found:
        return [_THOUGHTS[block["type"]](block) for block in found]
    reasoning = message.get("reasoning_content")
    return [_thought({"thinking": reasoning})] if reasoning and isinstance(reasoning, str) else []


def text_of(answer: Answer, message: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the block of text, if anything was said: the answer's, or a refusal that came in its place."""
    text = answer.text or _str(message.get("refusal"))
    if not text:
        return None
    citations = [entry for entry in _dicts(message.get("citations")) if isinstance(entry.get("type"), str)]
    return {"type": "text", "text": text, "citations": citations or None}


def calls_of(message: Mapping[str, Any], trace_id: str) -> list[dict[str, Any]]:
    """Return the calls of tools with their arguments decoded, and other blocks as a provider of this wire gave them."""
    found = []
    for index, call in enumerate(_dicts(message.get("tool_calls"))):
        function = _dict(call.get("function"))
        known, name = _str(call.get("id")) or f"toolu_{trace_id}_{index}", _str(function.get("name"))
        given = arguments(function.get("arguments"))
        found.append({"type": "tool_use", "id": known, "name": name, "input": given})
    others = [block for block in _dicts(message.get("content_blocks")) if _str(block.get("type")) not in _TOLD]
    return [*others, *found]


def stop_of(answer: Answer, message: Mapping[str, Any]) -> dict[str, Any]:
    """Return why the answer ended, and which stop sequence ended it."""
    choice = _dict(answer.extra.get("choice"))
    sequence, native = choice.get("stop_sequence"), choice.get("native_finish_reason")
    reason = _REASONS.get(answer.finish_reason or "stop", "end_turn")
    if answer.status == "blocked" or (message.get("refusal") and reason == "end_turn"):
        reason = "refusal"
    elif _dicts(message.get("tool_calls")) and reason == "end_turn":
        reason = "tool_use"
    elif isinstance(native, str) and _NATIVE.get(native) == (answer.finish_reason or "stop"):
        reason = native
    if reason in ("end_turn", "stop_sequence"):
        named = isinstance(sequence, str) and bool(sequence)
        return {"stop_reason": "stop_sequence" if named else "end_turn", "stop_sequence": sequence if named else None}
    return {"stop_reason": reason, "stop_sequence": None}


def usage_of(answer: Answer) -> dict[str, Any]:
    """Return the counts of all calls that were made. Tokens read from a cache, or written to it, stand apart."""
    told = _dict(answer.extra.get("usage"))
    details, given = _dict(told.get("prompt_tokens_details")), answer.usage.input_tokens
    read = min(_count(details.get("cached_tokens")), given)
    written = min(_count(details.get("cache_write_tokens")), given - read)
    found: dict[str, Any] = {
        "input_tokens": given - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": answer.usage.output_tokens,
    }
    if thought := _count(_dict(told.get("completion_tokens_details")).get("reasoning_tokens")):
        found["output_tokens_details"] = {"thinking_tokens": thought}
    found |= {name: told[name] for name in _OWN_USAGE if told.get(name)}
    tier = told.get("service_tier")
    return found | ({"service_tier": tier} if tier in ("standard", "priority", "batch") else {})


def rest_of(answer: Answer) -> dict[str, Any]:
    """Return the fields of the provider's answer that neither wire has a place for."""
    return {key: value for key, value in answer.extra.items() if isinstance(key, str) and key not in _OURS}


def arguments_text(block: Mapping[str, Any]) -> str:
    """Return the input of a call as the JSON that streams carry."""
    return _encode(block["input"]).decode()


def _thought(block: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "thinking", "thinking": _str(block.get("thinking")), "signature": _str(block.get("signature"))}


def _redacted(block: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "redacted_thinking", "data": _str(block.get("data"))}


_THOUGHTS = {"thinking": _thought, "redacted_thinking": _redacted}


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [dict(entry) for entry in value if isinstance(entry, Mapping)] if isinstance(value, list | tuple) else []


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
