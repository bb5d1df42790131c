"""A request on Anthropic's wire, read into a neutral body; and how many tokens one may be given. Called by the plugin.

What both wires say in other words is translated, everything else passes as it is: `thinking`, `top_k`, marks of caches
and fields that nobody knows here reach a provider of that wire as they were written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.kernel import InvalidInput

from ._anthropic_turns import messages_of, need, system_of, wrong

_TRANSLATED = frozenset(
    {
        "messages", "system", "max_tokens", "stop_sequences", "metadata", "tools", "tool_choice", "output_config",
        "output_format",
    }
)  # fmt: skip
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_TOOL = frozenset({"type", "name", "description", "input_schema", "cache_control"})
_STATE = "thread: this gateway keeps no state between requests"
_UNTHREADED = "thread_unsupported_request"
"""The code that tells the official client to go on without threads, which its runner of tools begins with."""
_IMAGE_TOKENS = 1600
_PAGE_TOKENS, _PAGE_BYTES = 3000, 75_000
_encode = msgspec.json.Encoder().encode


def decode_request(body: dict[str, Any]) -> dict[str, Any]:
    """Return the neutral body. Raises InvalidInput naming the field in that API's words."""
    need(body, "model", "")
    limit = need(body, "max_tokens", "", int)
    if isinstance(limit, bool) or limit < 1:
        raise wrong("max_tokens", "Input should be greater than or equal to 1")
    if body.get("n") not in (None, 1):
        raise wrong("n", "Extra inputs are not permitted", "this wire gives one answer a call")
    if body.get("thread"):
        raise InvalidInput(_STATE, "send the whole conversation, without thread", code=_UNTHREADED)
    neutral = {key: value for key, value in body.items() if key not in _TRANSLATED and value is not None}
    if not isinstance(neutral.get("stream", False), bool):
        raise wrong("stream", "Input should be a valid boolean")
    neutral |= {"max_tokens": limit, "messages": _conversation(body)}
    if (stops := body.get("stop_sequences")) is not None:
        neutral["stop"] = _stops(stops)
    return neutral | _tools(body) | _format(body) | _user(body)


def count(body: Mapping[str, Any]) -> int:
    """Return an estimate of the tokens that a request is given. Raises InvalidInput as `decode_request` does.

    A token is taken as four bytes of UTF-8 of everything written (system, messages, calls, tools); an image as 1 600
    tokens, a PDF as 3 000 tokens for every 75 kB begun.
    """
    need(body, "model", "")
    written, media = 0, 0
    for message in _conversation(body):
        content = message.pop("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        for part in parts:
            if part["type"] == "text":
                written += len(part["text"].encode("utf-8", "replace"))
            else:
                media += _media_tokens(part)
        said = [call["function"] for call in message.get("tool_calls") or ()]
        said += [block.get("thinking") or "" for block in message.get("thinking_blocks") or ()]
        written += sum(len(_encode(piece)) for piece in said)
    tools = body.get("tools")
    written += len(_encode(tools)) if tools else 0
    return -(-written // 4) + media


def _media_tokens(part: Mapping[str, Any]) -> int:
    if part["type"] == "image_url":
        return _IMAGE_TOKENS
    head, _, data = part["file"]["file_data"].partition(",")
    size = len(data.rstrip("=")) * 3 // 4
    return -(-size // 4) if head.startswith("data:text/") else _PAGE_TOKENS * max(1, -(-size // _PAGE_BYTES))


def _conversation(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = need(body, "messages", "", list)
    if not messages:
        raise wrong("messages", "at least one message is required")
    return system_of(body.get("system")) + messages_of(messages)


def _stops(stops: Any) -> list[str]:
    if not isinstance(stops, list):
        raise wrong("stop_sequences", "Input should be a valid list")
    for index, stop in enumerate(stops):
        if not isinstance(stop, str):
            raise wrong(f"stop_sequences.{index}", "Input should be a valid string")
    return stops


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return tools and how they are to be used, in neutral words."""
    found: dict[str, Any] = {}
    tools = body.get("tools")
    if tools is not None:
        found["tools"] = [_tool(tool, f"tools.{index}") for index, tool in enumerate(need(body, "tools", "", list))]
    if body.get("tool_choice") is None:
        return found
    choice = need(body, "tool_choice", "", dict)
    kind = need(choice, "type", "tool_choice")
    if kind == "tool":
        name = need(choice, "name", "tool_choice")
        found["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif kind in _CHOICES:
        found["tool_choice"] = _CHOICES[kind]
    else:
        raise wrong("tool_choice.type", "Input should be 'auto', 'any', 'tool' or 'none'")
    if isinstance(alone := choice.get("disable_parallel_tool_use"), bool):
        found["parallel_tool_calls"] = not alone
    return found


def _tool(tool: Any, path: str) -> dict[str, Any]:
    if not isinstance(tool, dict):
        raise wrong(path, "Input should be a valid dictionary")
    if tool.get("type") not in (None, "custom"):
        hint = "offer functions of your own, with input_schema"
        raise wrong(f"{path}.type", f"tools of type {tool['type']!r} cannot be used through this gateway", hint)
    function = {"name": need(tool, "name", path), "parameters": need(tool, "input_schema", path, dict)}
    if tool.get("description"):
        function["description"] = need(tool, "description", path)
    function |= {key: value for key, value in tool.items() if key not in _TOOL and value is not None}
    mark = {"cache_control": tool["cache_control"]} if tool.get("cache_control") else {}
    return {"type": "function", "function": function, **mark}


def _format(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the format and the effort that are asked for; other settings of the output stay where they were."""
    config = need(body, "output_config", "", dict) if body.get("output_config") is not None else {}
    asked, path = config.get("format"), "output_config.format"
    if asked is None:
        asked, path = body.get("output_format"), "output_format"
    found: dict[str, Any] = {}
    if asked is not None:
        if not isinstance(asked, dict) or asked.get("type") != "json_schema":
            raise wrong(f"{path}.type", "Input should be 'json_schema'")
        schema = need(asked, "schema", path, dict)
        strict = {"strict": True} if _closed(schema) else {}
        found["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": schema, **strict},
        }
    if config.get("effort") is not None:
        found["reasoning_effort"] = need(config, "effort", "output_config")
    if rest := {key: value for key, value in config.items() if key not in ("format", "effort") and value is not None}:
        found["output_config"] = rest
    return found


def _closed(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes a schema: every object is closed, and each of its properties required."""
    if isinstance(schema, list):
        return all(_closed(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    named = schema.get("properties")
    if isinstance(named, dict):
        required = schema.get("required")
        whole = isinstance(required, list) and all(name in required for name in named)
        if not whole or schema.get("additionalProperties") is not False:
            return False
    return all(_closed(part) for part in schema.values())


def _user(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return whom a request is made for: `metadata.user_id` here, `user` in a neutral body."""
    if body.get("metadata") is None:
        return {}
    metadata = dict(need(body, "metadata", "", dict))
    user = metadata.pop("user_id", None)
    if user is not None and not isinstance(user, str):
        raise wrong("metadata.user_id", "Input should be a valid string")
    return ({"user": user} if user else {}) | ({"metadata": metadata} if metadata else {})
