"""An OpenAI-shaped body read as turns of typed parts, which is what other wires write again in their own words.

Called by the codecs of foreign wires. It understands messages, tools and formats; what it cannot understand it
refuses with a `ProviderError`, so that another target of the chain may answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from .failures import refused

Kind = Literal["text", "image", "audio", "file", "call", "result", "thought"]
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a turn. Media is `data` (base64) of type `mime`, or a link `url`.

    call: `name` with decoded arguments in `value`, known by `id`. result: what the call `id` of `name` gave, as text
    and media in `parts`. thought: `raw` as the provider sent it, to be handed back. raw: the part as it was written.
    """

    kind: Kind
    text: str = ""
    mime: str = ""
    data: str = ""
    url: str = ""
    name: str = ""
    id: str = ""
    value: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything that one side said before the other spoke."""

    role: Literal["user", "assistant"]
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `schema` is the JSON Schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any]
    raw: Mapping[str, Any]


@contextmanager
def reading(who: str) -> Iterator[None]:
    """Turn what a malformed body does to its reader into a refusal."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as problem:
        raise refused(f"{who} cannot be sent this call: a part of it is malformed") from problem


def conversation(body: Mapping[str, Any], who: str) -> tuple[list[Part], list[Turn]]:
    """Return the system's parts and the turns, neighbours of one role joined. Raises ProviderError; `who` is for it."""
    system: list[Part] = []
    turns: list[Turn] = []
    names: dict[str, str] = {}
    for message in body.get("messages") or []:
        role = message.get("role") if isinstance(message, dict) else None
        if role in ("system", "developer"):
            system += _parts(message.get("content"), who)
            continue
        if role == "assistant":
            parts = _said(message, who)
            names |= {part.id: part.name for part in parts if part.kind == "call"}
        elif role in ("tool", "function"):
            parts = [_result(message, names, who)]
        elif role == "user":
            parts = _parts(message.get("content"), who)
        else:
            raise refused(f"{who} has no messages of the role {role!r}")
        side: Literal["user", "assistant"] = "assistant" if role == "assistant" else "user"
        if turns and turns[-1].role == side:
            turns[-1].parts.extend(parts)
        elif parts:
            turns.append(Turn(side, list(parts)))
    return system, turns


def tools_of(body: Mapping[str, Any], who: str) -> list[Tool]:
    """Return the functions on offer, from `tools` or the older `functions`. Other kinds of tools are refused."""
    entries = list(body.get("tools") or []) + [{"type": "function", "function": f} for f in body.get("functions") or []]
    found = []
    for entry in entries:
        function = entry.get("function") if isinstance(entry, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            kind = entry.get("type") if isinstance(entry, dict) else entry
            raise refused(f"{who} is offered functions only, not a tool of type {kind!r}")
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        found.append(
            Tool(function["name"], str(function.get("description") or ""), schema, {**function, **_marks(entry)})
        )
    return found


def choice_of(body: Mapping[str, Any], who: str) -> tuple[str, str]:
    """Return how tools are to be used: `auto`, `none`, `required`, or `tool` with the name of one; empty if unsaid."""
    wanted = body.get("tool_choice", body.get("function_call"))
    if wanted is None:
        return "", ""
    if wanted in ("auto", "none", "required"):
        return wanted, ""
    named = wanted.get("function", wanted) if isinstance(wanted, dict) else {}
    if isinstance(named, dict) and isinstance(named.get("name"), str):
        return "tool", named["name"]
    raise refused(f"{who} does not know the tool choice {wanted!r}")


def schema_of(body: Mapping[str, Any], who: str) -> tuple[str, Mapping[str, Any] | None]:
    """Return what format is asked for: `text`, `json`, or `schema` with a JSON Schema."""
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if kind in (None, "text"):
        return "text", None
    if kind == "json_object":
        return "json", None
    inner = wanted.get("json_schema") if isinstance(wanted, dict) else None
    if kind == "json_schema" and isinstance(inner, dict) and isinstance(inner.get("schema"), dict):
        return "schema", inner["schema"]
    raise refused(f"{who} does not know the response format {kind!r}")


def stops_of(body: Mapping[str, Any]) -> list[str]:
    """Return the texts that end an answer."""
    stop = body.get("stop")
    return [stop] if isinstance(stop, str) else [text for text in stop or [] if isinstance(text, str)]


def one_answer(body: Mapping[str, Any], who: str) -> None:
    """Refuse what only OpenAI's wire can give back: several answers, log-probabilities, spoken answers."""
    if body.get("n") not in (None, 1):
        raise refused(f"{who} gives one answer a call, not {body['n']}", "leave out n")
    if body.get("logprobs"):
        raise refused(f"{who} gives no log-probabilities", "leave out logprobs")
    if body.get("audio") or body.get("modalities") not in (None, ["text"]):
        raise refused(f"{who} answers in text only here", "leave out audio and modalities")


def arguments(text: Any) -> dict[str, Any]:
    """Decode a call's arguments. Broken ones, which a model may have written, are handed on as the text they are."""
    if isinstance(text, dict):
        return text
    try:
        value = msgspec.json.decode(text) if text else {}
    except (msgspec.DecodeError, TypeError):
        value = None
    return value if isinstance(value, dict) else {"arguments": text}


def data_url(url: str) -> tuple[str, str] | None:
    """Split `data:image/png;base64,…` into media type and base64 text; None for a link."""
    if not url.startswith("data:"):
        return None
    head, _, data = url[5:].partition(",")
    if not head.endswith(";base64"):
        raise refused("a data URL must hold base64")
    return head.partition(";")[0] or "application/octet-stream", data


def _parts(content: Any, who: str) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [Part("text", content)] if content else []
    return [part for entry in content for part in _part(entry, who)]


def _part(entry: Any, who: str) -> Sequence[Part]:
    kind = entry.get("type") if isinstance(entry, dict) else None
    inner = entry.get(kind) if kind else None
    if kind in ("text", "refusal") and isinstance(inner, str):
        return [Part("text", inner, raw=entry)] if inner else []
    if kind == "image_url":
        url = inner.get("url") if isinstance(inner, dict) else inner
        if isinstance(url, str):
            return [_media("image", url, entry)]
    if kind == "input_audio" and isinstance(inner, dict) and isinstance(inner.get("data"), str):
        return [Part("audio", mime=f"audio/{inner.get('format') or 'wav'}", data=inner["data"], raw=entry)]
    if kind == "file" and isinstance(inner, dict) and isinstance(inner.get("file_data"), str):
        return [_media("file", inner["file_data"], entry, str(inner.get("filename") or ""))]
    raise refused(f"{who} does not take a part of type {kind!r}")


def _media(kind: Literal["image", "file"], url: str, entry: Mapping[str, Any], name: str = "") -> Part:
    if (split := data_url(url)) is None:
        return Part(kind, url=url, name=name, raw=entry)
    return Part(kind, mime=split[0], data=split[1], name=name, raw=entry)


def _said(message: Mapping[str, Any], who: str) -> list[Part]:
    """Return what an assistant said: thoughts first, then text, then calls, as every wire wants them."""
    parts = [Part("thought", raw=block) for block in message.get("thinking_blocks") or [] if isinstance(block, dict)]
    parts += _parts(message.get("content"), who) or _parts(message.get("refusal"), who)
    calls = list(message.get("tool_calls") or [])
    if isinstance(old := message.get("function_call"), dict):
        calls.append({"id": old.get("name"), "function": old})
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise refused(f"{who} is told of calls of functions only")
        name, value = str(function.get("name") or ""), arguments(function.get("arguments"))
        parts.append(Part("call", name=name, id=str(call.get("id") or name), value=value, raw=call))
    return parts


def _result(message: Mapping[str, Any], names: Mapping[str, str], who: str) -> Part:
    known = str(message.get("tool_call_id") or message.get("name") or "")
    parts = tuple(_parts(message.get("content"), who))
    text = "\n".join(part.text for part in parts if part.kind == "text")
    name = names.get(known) or str(message.get("name") or known)
    return Part("result", text, name=name, id=known, parts=parts, raw=message)


def _marks(entry: Any) -> Mapping[str, Any]:
    return {"cache_control": entry["cache_control"]} if entry.get("cache_control") else _NOTHING
