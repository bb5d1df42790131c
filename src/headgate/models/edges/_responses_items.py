"""The items of a Responses request's `input`, read as messages of a chat. Called by the edge `openai-responses`.

One answer of a model is several items on this wire (reasoning, message, calls) and one message in a chat, so that
neighbouring items of the assistant are joined. Source: OpenAI API reference, responses, 2026.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec

from headgate.kernel import InvalidInput, nearest

Object = dict[str, Any]
_STATELESS = "this gateway keeps no state between requests: send the items themselves in `input`"
_ROLES = ("user", "assistant", "system", "developer")
_encode, _decode = msgspec.json.encode, msgspec.json.decode


def messages_of(given: Any) -> list[Object]:
    """Return the messages that `input` says. Raises InvalidInput naming the item."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise InvalidInput("input must be text, or a list with at least one item", code="input_missing")
    reader = _Reader()
    for index, item in enumerate(given):
        reader.read(item, f"input[{index}]")
    return reader.messages


def sealed(blocks: Any) -> str:
    """Return thinking blocks of a provider as the `encrypted_content` of a reasoning item: opaque to the client."""
    return base64.b64encode(_encode(blocks)).decode()


def unsealed(text: str, where: str) -> list[Object]:
    """Read what `sealed` wrote. Raises InvalidInput for what another server has sealed."""
    try:
        blocks = _decode(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        blocks = None
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        hint = "send back only what this gateway answered, or leave it out"
        raise InvalidInput(f"{where}.encrypted_content was not made here", hint)
    return blocks


class _Reader:
    """Gathers messages; `_open` is the assistant's message that the next items may still belong to."""

    def __init__(self) -> None:
        self.messages: list[Object] = []
        self._open: Object | None = None

    def read(self, item: Any, where: str) -> None:
        if not isinstance(item, dict):
            raise InvalidInput(f"{where} must be an object")
        kind = item.get("type", "message" if "role" in item else None)
        if kind == "item_reference":
            raise InvalidInput(f"{where} refers to an item that is stored elsewhere", _STATELESS, code="stateless")
        read = _KINDS.get(kind) if isinstance(kind, str) else None
        if read is None:
            hint = nearest(kind, _KINDS) if isinstance(kind, str) else f"one of {', '.join(sorted(_KINDS))}"
            raise InvalidInput(f"{where} is an item of type {kind!r}, which this gateway does not know", hint)
        read(self, item, where)

    def _message(self, item: Object, where: str) -> None:
        role = item.get("role")
        if role not in _ROLES:
            raise InvalidInput(f"{where}.role is {role!r}", f"one of {', '.join(_ROLES)}")
        content = content_of(item.get("content"), f"{where}.content")
        if role != "assistant":
            self._add({"role": role, "content": content}, open_for_more=False)
            return
        message = self._open
        if message is None or (message.get("content") is not None and not message.get("tool_calls")):
            message = self._add({"role": "assistant"})
        before = message.get("content")
        message["content"] = content if before is None else _joined(before, content)

    def _reasoning(self, item: Object, where: str) -> None:
        message = self._open
        if message is None or (message.get("content") is not None and not message.get("tool_calls")):
            message = self._add({"role": "assistant", "content": None})
        if text := _thought(item, where):
            before = message.get("reasoning_content")
            message["reasoning_content"] = f"{before}\n\n{text}" if before else text
        if (secret := item.get("encrypted_content")) is not None:
            blocks = unsealed(_text(secret, f"{where}.encrypted_content"), where)
            message["thinking_blocks"] = [*message.get("thinking_blocks", ()), *blocks]

    def _call(self, item: Object, where: str) -> None:
        name, arguments = _text(item.get("name"), f"{where}.name"), _text(item.get("arguments"), f"{where}.arguments")
        self._called(item, where, {"type": "function", "function": {"name": name, "arguments": arguments}})

    def _custom_call(self, item: Object, where: str) -> None:
        name, given = _text(item.get("name"), f"{where}.name"), _text(item.get("input"), f"{where}.input")
        self._called(item, where, {"type": "custom", "custom": {"name": name, "input": given}})

    def _called(self, item: Object, where: str, call: Object) -> None:
        message = self._open or self._add({"role": "assistant", "content": None})
        message.setdefault("content", None)
        known = _text(item.get("call_id"), f"{where}.call_id")
        message.setdefault("tool_calls", []).append({"id": known, **call})

    def _result(self, item: Object, where: str) -> None:
        known = _text(item.get("call_id"), f"{where}.call_id")
        content = content_of(item.get("output"), f"{where}.output")
        self._add({"role": "tool", "tool_call_id": known, "content": content}, open_for_more=False)

    def _add(self, message: Object, open_for_more: bool = True) -> Object:
        self._close()
        self.messages.append(message)
        self._open = message if open_for_more else None
        return message

    def _close(self) -> None:
        """Forget an assistant's message that says nothing: reasoning of which only an id was sent."""
        if self._open is not None and self._open == {"role": "assistant", "content": None}:
            self.messages.remove(self._open)
        self._open = None


_KINDS: dict[str, Callable[[_Reader, Object, str], None]] = {
    "message": _Reader._message,
    "reasoning": _Reader._reasoning,
    "function_call": _Reader._call,
    "custom_tool_call": _Reader._custom_call,
    "function_call_output": _Reader._result,
    "custom_tool_call_output": _Reader._result,
}


def content_of(content: Any, where: str) -> str | list[Object]:
    """Return a message's content in a chat's words: text alone as a string, else parts. Raises InvalidInput."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidInput(f"{where} must be text or a list of parts")
    parts = [_part(part, f"{where}[{index}]") for index, part in enumerate(content)]
    if all(part.keys() == {"type", "text"} for part in parts) and len(parts) <= 1:
        return "".join(part["text"] for part in parts)
    return parts


def _part(part: Any, where: str) -> Object:
    kind = part.get("type") if isinstance(part, dict) else None
    read = _PARTS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise InvalidInput(f"{where} is a part of type {kind!r}", nearest(str(kind or ""), _PARTS))
    return read(part, where)


def _text_part(part: Object, where: str) -> Object:
    text = _text(part.get("text"), f"{where}.text")
    return {**_rest(part, "type", "text", "annotations", "logprobs"), "type": "text", "text": text}


def _refusal(part: Object, where: str) -> Object:
    return {"type": "text", "text": _text(part.get("refusal"), f"{where}.refusal")}


def _image(part: Object, where: str) -> Object:
    if part.get("image_url") is None:
        raise _elsewhere(where, "image_url", "image")
    image = {"url": _text(part["image_url"], f"{where}.image_url")}
    if part.get("detail") is not None:
        image["detail"] = part["detail"]
    return {**_rest(part, "type", "image_url", "detail", "file_id"), "type": "image_url", "image_url": image}


def _file(part: Object, where: str) -> Object:
    if part.get("file_data") is None and part.get("file_id") is None:
        raise _elsewhere(where, "file_data", "file")
    names = ("file_data", "file_id", "filename")
    file = {name: _text(part[name], f"{where}.{name}") for name in names if part.get(name) is not None}
    return {**_rest(part, "type", "file_url", *names), "type": "file", "file": file}


def _audio(part: Object, where: str) -> Object:
    if not isinstance(part.get("input_audio"), dict):
        raise InvalidInput(f"{where}.input_audio must be an object with data and format")
    return dict(part)


def _elsewhere(where: str, key: str, what: str) -> InvalidInput:
    hint = f"send the {what} itself in `{key}`; this gateway fetches nothing"
    return InvalidInput(f"{where}.{key} is missing", hint)


_PARTS: dict[str, Callable[[Object, str], Object]] = {
    "input_text": _text_part,
    "output_text": _text_part,
    "text": _text_part,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def _thought(item: Object, where: str) -> str:
    """Return the text of a reasoning item: what was thought, or else its summary."""
    for key in ("content", "summary"):
        parts = item.get(key) or []
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise InvalidInput(f"{where}.{key} must be a list of parts")
        if texts := [_text(part.get("text"), f"{where}.{key}") for part in parts]:
            return "\n\n".join(texts)
    return ""


def _joined(before: Any, after: Any) -> Any:
    if isinstance(before, str) and isinstance(after, str):
        return f"{before}\n\n{after}"
    both = [[{"type": "text", "text": one}] if isinstance(one, str) else one for one in (before, after)]
    return both[0] + both[1]


def _rest(part: Object, *known: str) -> Object:
    return {key: value for key, value in part.items() if key not in known}


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{where} must be text")
    return value
