"""What a neutral body may hold that only Anthropic's wire knows, left out for servers that refuse unknown fields.

Called by the quirks of OpenAI-compatible servers and by other wires. Everything left out is a hint or a mark: what is
asked, and what was said, stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HINTS = frozenset({"cache_control", "context_management", "diagnostics", "output_config"})
"""Parameters that mean nothing to anybody else. Where a call may be computed (`inference_geo`) is no hint: it is sent,
and refused by who cannot promise it."""
_PARAMETERS = HINTS | {"thinking", "top_k"}
_MESSAGE = frozenset({"thinking_blocks", "reasoning_content", "is_error", "cache_control"})
_PART = frozenset({"cache_control", "citations", "context"})
_FUNCTION = frozenset({"input_examples", "eager_input_streaming", "defer_loading", "allowed_callers"})


def without_marks(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body without them; media in the result of a tool follows it as a user's message of its own."""
    found = _without(body, _PARAMETERS)
    if isinstance(messages := found.get("messages"), list):
        found["messages"] = _messages(messages)
    if isinstance(tools := found.get("tools"), list):
        found["tools"] = [_tool(tool) for tool in tools]
    if found.get("service_tier") == "standard_only":
        found["service_tier"] = "default"
    return found


def effort_of(thinking: Any) -> str | None:
    """Return the effort that a budget of thoughts comes to; None when there is none."""
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    if not isinstance(budget, int) or isinstance(budget, bool):
        return None
    return "low" if budget <= 4096 else "medium" if budget <= 16384 else "high"


def _messages(messages: list[Any]) -> list[Any]:
    found: list[Any] = []
    shown: list[Any] = []
    for message in messages:
        if not isinstance(message, Mapping):
            found.append(message)
            continue
        if shown and message.get("role") != "tool":
            found.append({"role": "user", "content": shown})
            shown = []
        plain = _message(message)
        if plain.get("role") == "tool" and isinstance(plain.get("content"), list):
            shown += [part for part in plain["content"] if not _is_text(part)]
            plain["content"] = [part for part in plain["content"] if _is_text(part)] or "see the attachment"
        found.append(plain)
    return [*found, {"role": "user", "content": shown}] if shown else found


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    found = _without(message, _MESSAGE)
    for key in ("content", "tool_calls"):
        if isinstance(parts := found.get(key), list):
            found[key] = [_without(part, _PART) if isinstance(part, Mapping) else part for part in parts]
    return found


def _tool(tool: Any) -> Any:
    if not isinstance(tool, Mapping):
        return tool
    found = _without(tool, _PART)
    if isinstance(function := found.get("function"), Mapping):
        found["function"] = _without(function, _FUNCTION)
    return found


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "text"


def _without(entry: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in names}
