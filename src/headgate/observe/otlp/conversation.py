"""The conversation inside a span, from any convention's shape to ours: messages, answer, passages; masked and bounded.

Called by `translate`. It understands shapes, not names: OpenTelemetry's parts, OpenAI's contents, names with numbers,
plain text. What is neither is kept as the text that it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

_MESSAGES = 40
_PASSAGES = 20
_TEXT = 8_000
_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder().decode
_TEXT_KEYS = ("content", "text", "reasoning")
_NOT_SAID = frozenset({"reasoning", "thinking"})

Turns = list[tuple[str, str]]
Groups = dict[int, dict[str, Any]]


def payload_of(
    found: Mapping[str, Any], indexed: Mapping[str, Groups], told: Turns, clean: Callable[[str], str], asker: str
) -> dict[str, Any]:
    """Return the payload of a span, {} when it holds no content.

    found: values by word. indexed: names with numbers, by word. told: messages of events, answers under `choice`.
    clean: masks one text. asker: the role of what is asked when nobody says.
    """
    asked = _asked(found, indexed, told, asker)
    said = _said(found, indexed, told)
    passages = [*_listed(found.get("documents")), *map(_document, _in_order(indexed.get("documents")))]
    if not (asked or said or passages):
        return {}
    return {
        "messages": [{"role": role[:20], "content": clean(text[:_TEXT])} for role, text in asked[-_MESSAGES:]],
        "answer": clean("\n\n".join(text for _, text in said if text)[:_TEXT]),
        "passages": [item | {"text": clean(item["text"][:_TEXT])} for item in passages[:_PASSAGES]],
    }


def _asked(found: Mapping[str, Any], indexed: Mapping[str, Groups], told: Turns, asker: str) -> Turns:
    turns = turns_of(found["instructions"], "system") if "instructions" in found else []
    if "messages" in found:
        turns += turns_of(found["messages"], asker)
    if "messages" in indexed:
        turns += [_message(group, "user") for group in _in_order(indexed["messages"])]
    turns += [turn for turn in told if turn[0] != "choice"]
    if turns:
        return turns
    if "prompts" in found or "prompts" in indexed:
        groups = _in_order(indexed.get("prompts"))
        return [*_each(found.get("prompts"), asker), *(_message(group, asker) for group in groups)]
    for word in ("query", "asked"):
        if word in found:
            return turns_of(found[word], asker)
    return []


def _said(found: Mapping[str, Any], indexed: Mapping[str, Groups], told: Turns) -> Turns:
    turns = turns_of(found["answers"], "assistant") if "answers" in found else []
    if "answers" in indexed:
        turns += [_message(group, "assistant") for group in _in_order(indexed["answers"])]
    turns += [turn for turn in told if turn[0] == "choice"]
    if turns or "replied" not in found:
        return turns
    return turns_of(found["replied"], "assistant")


def turns_of(value: Any, role: str) -> Turns:
    """Return (role, text) of messages as JSON text or as values; other text is one turn in `role`."""
    if isinstance(value, str):
        value = parsed(value)
    if isinstance(value, Mapping):
        return _of_mapping(value, role)
    if isinstance(value, list):
        if any(isinstance(item, Mapping) and ("role" in item or "parts" in item) for item in value):
            return [turn for item in value for turn in turns_of(item, role)]
        return [(role, _parts(value))] if value else []
    return [(role, shown(value))] if value is not None and value != "" else []


def _of_mapping(value: Mapping[str, Any], role: str) -> Turns:
    if isinstance(inner := value.get("messages"), list):
        system = value.get("system")
        return ([("system", shown(system))] if isinstance(system, str) else []) + turns_of(inner, role)
    if set(value) == {"prompt"}:
        return turns_of(value["prompt"], role)
    if "role" not in value and "parts" not in value and "content" not in value:
        return [(role, _part(value))]
    return [(str(value.get("role") or role), _body(value))]


def _body(message: Mapping[str, Any]) -> str:
    """Return the text of one message: its parts or content, then the tools that it calls."""
    content = message.get("parts", message.get("content"))
    text = _parts(content) if isinstance(content, list) else shown(content)
    calls = message.get("tool_calls")
    pieces = (
        [text, *(_call(call) for call in calls if isinstance(call, Mapping))] if isinstance(calls, list) else [text]
    )
    return "\n".join(piece for piece in pieces if piece)


def _parts(parts: list[Any]) -> str:
    return "\n".join(text for part in parts if (text := _part(part)))


def _part(part: Any) -> str:
    if not isinstance(part, Mapping):
        return shown(part)
    sort = str(part.get("type") or "text")
    if sort in _NOT_SAID:
        return ""
    if sort in ("tool_call", "server_tool_call", "tool-call"):
        return _call(part)
    if sort in ("tool_call_response", "server_tool_call_response", "tool-result"):
        return shown(next((part[key] for key in ("response", "result", "output", sort) if key in part), ""))
    if sort in ("blob", "uri", "file", "image", "image_url", "input_audio"):
        return f"[{part.get('modality') or sort}]"
    for key in _TEXT_KEYS:
        if isinstance(part.get(key), str):
            return str(part[key])
    return shown(part)


def _call(call: Mapping[str, Any]) -> str:
    told = call.get("function")
    told = told if isinstance(told, Mapping) else call
    name = told.get("name") or told.get("toolName") or ""
    arguments = next((told[key] for key in ("arguments", "server_tool_call", "input", "args") if key in told), "")
    return f"{name}({shown(arguments)})"


def _message(group: Mapping[str, Any], role: str) -> tuple[str, str]:
    """Return the turn of one number's names: `message.role`, `message.contents.0.message_content.text` …"""
    text = ""
    calls: dict[str, dict[str, Any]] = {}
    for path, value in group.items():
        tail, call = _place(path)
        if call:
            calls.setdefault(call, {})[tail] = value
        elif tail == "role":
            role = str(value)
        elif value and tail in ("content", "text"):
            piece = value if isinstance(value, str) else _parts(value) if isinstance(value, list) else shown(value)
            text = f"{text}\n{piece}" if text else piece
    return (role, "\n".join([*([text] if text else ()), *map(_call, calls.values())])) if calls else (role, text)


@lru_cache(maxsize=4096)
def _place(path: str) -> tuple[str, str]:
    """Return the last word of a name, and the number of the tool call that it belongs to, '' for none."""
    return path.rpartition(".")[2], path.partition("tool_calls.")[2].partition(".")[0]


def _document(group: Mapping[str, Any]) -> dict[str, Any]:
    return _passage({path.rpartition(".")[2]: value for path, value in group.items()})


def _listed(documents: Any) -> list[dict[str, Any]]:
    documents = parsed(documents) if isinstance(documents, str) else documents
    return [_passage(item) for item in documents if isinstance(item, Mapping)] if isinstance(documents, list) else []


def _passage(document: Mapping[str, Any]) -> dict[str, Any]:
    score = document.get("score")
    text = next((document[key] for key in ("content", "text", "page_content") if key in document), "")
    return {
        "source": shown(document.get("id", ""))[:300],
        "text": shown(text),
        "score": round(score, 4) if isinstance(score, int | float) else None,
    }


def _each(values: Any, role: str) -> Turns:
    values = parsed(values) if isinstance(values, str) else values
    return [(role, shown(item)) for item in values] if isinstance(values, list) else turns_of(values, role)


def _in_order(groups: Groups | None) -> Iterable[dict[str, Any]]:
    return [groups[number] for number in sorted(groups)[-_MESSAGES:]] if groups else []


def shown(value: Any) -> str:
    """Return a value as text: text itself, JSON of everything else."""
    if isinstance(value, str):
        return value
    return "" if value is None else _encode(value).decode()


def parsed(text: str) -> Any:
    """Return what JSON text says when it is an object or a list; other text is itself."""
    if text[:1] in ("{", "[", '"'):
        try:
            return _decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return text
    return text
