"""Messages and blocks of Anthropic's wire, read into neutral messages. Called by `_anthropic_request`.

A mistake is told in that API's words: the path of the field, and what was expected there. Marks that have no neutral
name (`cache_control`, `citations`) stay on the part that carries them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headgate.kernel import InvalidInput

_encode = msgspec.json.Encoder().encode
_THOUGHTS = ("thinking", "redacted_thinking")
_ASSISTANT = frozenset({"text", "tool_use", *_THOUGHTS})
_FILES = "files that the provider keeps cannot be reached through this gateway; send base64 or a URL"


def wrong(path: str, what: str, hint: str = "") -> InvalidInput:
    """Return the error of one field, in that API's words."""
    return InvalidInput(f"{path}: {what}", hint, code="invalid_request")


def need(entry: Mapping[str, Any], key: str, path: str, kind: type = str) -> Any:
    """Return a field. Raises InvalidInput when it is missing or of another type."""
    where = f"{path}.{key}" if path else key
    if entry.get(key) is None:
        raise wrong(where, "Field required")
    if not isinstance(entry[key], kind):
        raise wrong(where, f"Input should be a valid {_NAMES[kind]}")
    return entry[key]


_NAMES: Mapping[type, str] = {str: "string", dict: "dictionary", list: "list", int: "integer", bool: "boolean"}


def system_of(system: Any, path: str = "system") -> list[dict[str, Any]]:
    """Return the message of the system prompt, if there is one: a string, or blocks of text."""
    if system is None or system == "" or system == []:
        return []
    if isinstance(system, str):
        return [{"role": "system", "content": system}]
    if not isinstance(system, list):
        raise wrong(path, "Input should be a valid string or list")
    return [{"role": "system", "content": _plain([_text(*entry) for entry in _blocks(system, path, ("text",))])}]


def messages_of(messages: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the conversation: one message may become several, since results of tools are messages of their own."""
    found: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        path = f"messages.{index}"
        if not isinstance(message, dict):
            raise wrong(path, "Input should be a valid dictionary")
        role, content = message.get("role"), message.get("content")
        if role not in ("user", "assistant", "system"):
            raise wrong(f"{path}.role", "Input should be 'user' or 'assistant'" if role else "Field required")
        if content is None:
            raise wrong(f"{path}.content", "Field required")
        if isinstance(content, str):
            found.append({"role": role, "content": content})
        elif not isinstance(content, list):
            raise wrong(f"{path}.content", "Input should be a valid string or list")
        elif role == "assistant":
            found += _said(content, f"{path}.content")
        elif role == "user":
            found += _asked(content, f"{path}.content")
        else:
            found += system_of(content, f"{path}.content")
    return found


def _asked(content: Sequence[Any], path: str) -> list[dict[str, Any]]:
    """Return what a user's turn holds, in its order: results of tools, and everything between them."""
    found: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for block, where in _blocks(content, path):
        if block["type"] != "tool_result":
            parts += _parts(block, where)
            continue
        if parts:
            found.append({"role": "user", "content": _plain(parts)})
            parts = []
        found.append(_result(block, where))
    return [*found, {"role": "user", "content": _plain(parts)}] if parts or not found else found


def _said(content: Sequence[Any], path: str) -> list[dict[str, Any]]:
    """Return what an assistant's turn holds; each message has thoughts, then text, then calls.

    A turn that begins with a thought keeps its order, in more than one message where needed. Otherwise thoughts move
    to the front: a streamed answer tells some of them, and their signatures, only at its end.
    """
    blocks = list(_blocks(content, path, _ASSISTANT))
    if blocks and blocks[0][0]["type"] not in _THOUGHTS:
        blocks.sort(key=lambda entry: entry[0]["type"] not in _THOUGHTS)
    found = [_Turn()]
    for block, where in blocks:
        if block["type"] in _THOUGHTS and found[-1].texts and not found[-1].calls:
            found.append(_Turn())
        found[-1].add(block, where)
    return [turn.message() for turn in found]


class _Turn:
    """An assistant's message while its blocks are read."""

    def __init__(self) -> None:
        self.thoughts: list[dict[str, Any]] = []
        self.reasons: list[str] = []
        self.texts: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []

    def add(self, block: dict[str, Any], path: str) -> None:
        match block["type"]:
            case "text":
                self.texts.append(_text(block, path))
            case "tool_use":
                self.calls.append(_call(block, path))
            case "thinking" if not block.get("signature"):
                # No provider of this wire would take it back unsigned: it is the reasoning of another one.
                self.reasons.append(need(block, "thinking", path))
            case _:
                self.thoughts.append(block)

    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = {"role": "assistant", "content": _plain(self.texts) if self.texts else None}
        if self.thoughts:
            found["thinking_blocks"] = self.thoughts
        if self.reasons:
            found["reasoning_content"] = "".join(self.reasons)
        if self.calls:
            found["tool_calls"] = self.calls
        elif found["content"] is None:
            found["content"] = ""
        return found


def _call(block: Mapping[str, Any], path: str) -> dict[str, Any]:
    function = {"name": need(block, "name", path), "arguments": _encode(need(block, "input", path, dict)).decode()}
    return {"id": need(block, "id", path), "type": "function", "function": function, **_marks(block, "cache_control")}


def _result(block: Mapping[str, Any], path: str) -> dict[str, Any]:
    content = block.get("content")
    if isinstance(content, list):
        content = _plain([part for entry in _blocks(content, f"{path}.content") for part in _parts(*entry)])
    elif content is not None and not isinstance(content, str):
        raise wrong(f"{path}.content", "Input should be a valid string or list")
    said = {"role": "tool", "tool_call_id": need(block, "tool_use_id", path), "content": content or ""}
    return said | _marks(block, "cache_control", "is_error")


def _parts(block: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    match block["type"]:
        case "text":
            return [_text(block, path)]
        case "image":
            return [{"type": "image_url", "image_url": {"url": _image(block, path)}, **_marks(block, "cache_control")}]
        case "document":
            return _document(block, path)
    raise wrong(path, f"Input tag '{block['type']}' is not supported here", "send text, images and documents")


def _text(block: Mapping[str, Any], path: str) -> dict[str, Any]:
    return {"type": "text", "text": need(block, "text", path), **_marks(block, "cache_control", "citations")}


def _image(block: Mapping[str, Any], path: str) -> str:
    source, where = need(block, "source", path, dict), f"{path}.source"
    match source.get("type"):
        case "base64":
            return f"data:{need(source, 'media_type', where)};base64,{need(source, 'data', where)}"
        case "url":
            return str(need(source, "url", where))
        case "file":
            raise wrong(where, "Input tag 'file' is not supported here", _FILES)
    raise wrong(where, "Input should be of type 'base64' or 'url'")


def _document(block: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    source, where = need(block, "source", path, dict), f"{path}.source"
    if source.get("type") == "content":
        content = need(source, "content", where, object)
        if isinstance(content, str):
            return [{"type": "text", "text": content, **_marks(block, "cache_control")}]
        return [part for entry in _blocks(content, f"{where}.content") for part in _parts(*entry)]
    if source.get("type") == "text":
        data = base64.b64encode(need(source, "data", where).encode()).decode()
        url = f"data:{source.get('media_type') or 'text/plain'};base64,{data}"
    else:
        url = _image(block, path)
    file = {"file_data": url} | ({"filename": str(block["title"])} if block.get("title") else {})
    return [{"type": "file", "file": file, **_marks(block, "cache_control", "citations", "context")}]


def _blocks(content: Any, path: str, known: Any = ()) -> list[tuple[dict[str, Any], str]]:
    """Return each block with its path. Raises InvalidInput for what is none, or not of the `known` types."""
    if not isinstance(content, list):
        raise wrong(path, "Input should be a valid list")
    found = []
    for index, block in enumerate(content):
        where = f"{path}.{index}"
        if not isinstance(block, dict):
            raise wrong(where, "Input should be a valid dictionary")
        kind = need(block, "type", where)
        if known and kind not in known:
            raise wrong(where, f"Input tag '{kind}' is not supported here", f"send {', '.join(sorted(known))}")
        found.append((block, where))
    return found


def _plain(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Return parts as they are, or as a string when they are one text without marks: not every server takes lists."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts


def _marks(block: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: block[name] for name in names if block.get(name)}
