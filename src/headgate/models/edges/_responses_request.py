"""A Responses request in a chat's words: parameters, tools and formats. Called by the edge `openai-responses`.

What needs state or tools of the server is refused; what a chat calls otherwise is renamed; what neither knows is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headgate.kernel import InvalidInput, nearest

from ._responses_items import messages_of

Object = dict[str, Any]

_STATE = "this gateway keeps no state between requests"
_REFUSED = {
    "previous_response_id": (f"{_STATE}: send the conversation so far in `input`", "stateless"),
    "conversation": (f"{_STATE}: send the conversation so far in `input`", "stateless"),
    "prompt": ("prompts are part of the app's release; leave it out", "stateless"),
    "context_management": (f"{_STATE}: shorten `input` instead", "stateless"),
    "messages": ("this is the Responses API: send `input`, or use /v1/chat/completions", "wrong_wire"),
}
_OURS = frozenset({
    "input", "instructions", "tools", "tool_choice", "text", "reasoning", "max_output_tokens", "include", "store",
    "background", "truncation", "max_tool_calls", "stream_options", "safety_identifier", *_REFUSED,
})  # fmt: skip
"""What this wire has and a chat has not, or has otherwise. `store` and who asks
stay here: nobody is asked to keep anything, and a name of a user is told to nobody."""


def decode_request(body: Object) -> Object:
    """Return the neutral body. Raises InvalidInput naming the field."""
    for name, (hint, code) in _REFUSED.items():
        if body.get(name) is not None:
            raise InvalidInput(f"`{name}` cannot be honoured", hint, code=code)
    if body.get("background") not in (None, False):
        raise InvalidInput("`background` cannot be honoured", "leave it out and wait, or stream", code="stateless")
    if body.get("n") not in (None, 1):
        raise InvalidInput("the Responses API gives one answer", "leave n out", code="unsupported")
    messages = messages_of(body.get("input"))
    if (instructions := body.get("instructions")) is not None:
        if not isinstance(instructions, str):
            raise InvalidInput("instructions must be text")
        messages.insert(0, {"role": "system", "content": instructions})
    neutral = {key: value for key, value in body.items() if key not in _OURS and value is not None}
    neutral["messages"] = messages
    _tools(body, neutral)
    _text(body.get("text"), neutral)
    _reasoning(body.get("reasoning"), neutral)
    _logprobs(body, neutral)
    if (limit := body.get("max_output_tokens")) is not None:
        if not _count(limit, "max_output_tokens"):
            raise InvalidInput("max_output_tokens must be above 0")
        neutral["max_completion_tokens"] = limit
    if isinstance(user := body.get("safety_identifier"), str):
        neutral.setdefault("user", user)
    return neutral


def _tools(body: Object, neutral: Object) -> None:
    tools = _list(body, "tools")
    if tools:
        neutral["tools"] = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]
    choice = body.get("tool_choice")
    if choice is not None and (tools or choice not in ("auto", "none")):
        neutral["tool_choice"] = _choice(choice)
    if not tools:
        neutral.pop("parallel_tool_calls", None)


def _tool(tool: Any, where: str) -> Object:
    """Return a flat tool nested, as a chat has it."""
    kind = tool.get("type") if isinstance(tool, dict) else None
    if kind not in ("function", "custom"):
        hint = "this gateway runs no tools; offer functions"
        raise InvalidInput(f"{where} is a tool of type {kind!r}", hint, code="unsupported_tool")
    if not isinstance(tool.get("name"), str) or not tool["name"]:
        raise InvalidInput(f"{where}.name is missing")
    return {"type": kind, kind: {key: value for key, value in tool.items() if key != "type" and value is not None}}


def _choice(choice: Any) -> Any:
    if choice in ("auto", "none", "required"):
        return choice
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind in ("function", "custom") and isinstance(choice.get("name"), str):
        return {"type": kind, kind: {"name": choice["name"]}}
    if kind == "allowed_tools" and isinstance(choice.get("tools"), list):
        allowed = {"mode": choice.get("mode", "auto"), "tools": [_choice(tool) for tool in choice["tools"]]}
        return {"type": kind, kind: allowed}
    said = kind if isinstance(choice, dict) else choice
    hint = "auto, none, required, or a function on offer: this gateway runs no tools"
    raise InvalidInput(f"tool_choice is {said!r}", hint, code="unsupported_tool")


def _text(text: Any, neutral: Object) -> None:
    """Translate `text`: the format of the answer, and how long-winded it may be."""
    if text is None:
        return
    if not isinstance(text, dict):
        raise InvalidInput("text must be an object")
    if text.get("verbosity") is not None:
        neutral["verbosity"] = text["verbosity"]
    if (wanted := text.get("format")) is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    read = _FORMATS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise InvalidInput(f"text.format.type is {kind!r}", nearest(str(kind or ""), _FORMATS))
    if found := read(wanted):
        neutral["response_format"] = found


def _schema(wanted: Object) -> Object:
    if not isinstance(wanted.get("schema"), dict):
        raise InvalidInput("text.format.schema must be a JSON Schema")
    if not isinstance(wanted.get("name"), str):
        raise InvalidInput("text.format.name is missing")
    inner = {key: value for key, value in wanted.items() if key != "type" and value is not None}
    return {"type": "json_schema", "json_schema": inner}


_FORMATS: dict[str, Callable[[Object], Object]] = {
    "text": lambda _: {},
    "json_object": dict,
    "json_schema": _schema,
}


def _reasoning(reasoning: Any, neutral: Object) -> None:
    """Translate `reasoning`. A summary needs no asking: what a provider shows of its reasoning is always given."""
    if reasoning is None:
        return
    if not isinstance(reasoning, dict):
        raise InvalidInput("reasoning must be an object")
    if reasoning.get("effort") is not None:
        neutral["reasoning_effort"] = reasoning["effort"]


def _logprobs(body: Object, neutral: Object) -> None:
    include = _list(body, "include")
    if (top := body.get("top_logprobs")) is not None and not _count(top, "top_logprobs"):
        neutral.pop("top_logprobs", None)
    if top or "message.output_text.logprobs" in include:
        neutral["logprobs"] = True


def _list(body: Object, name: str) -> list[Any]:
    found = body.get(name)
    if not isinstance(found, list | None):
        raise InvalidInput(f"{name} must be a list")
    return found or []


def _count(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(f"{where} must be a whole number")
    return value
