"""How the stand-in models call tools, on each wire: told `Use weather for Ulm`, a model that is offered `weather` does.

Called by `upstream`. Text is the dialects' business; here is what is beside it: calls, and what tools answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .dialects import AnthropicDialect, BedrockDialect, Dialect, GeminiDialect, event, frame

_USE = re.compile(r"\b[Uu]se (\w+) for (\w+)")


@dataclass(frozen=True)
class Called:
    """One call: its arguments are `{first property of the tool's schema: what the question names}`."""

    id: str
    name: str
    arguments: dict[str, str]

    @property
    def json(self) -> str:
        return json.dumps(self.arguments)


def calls_of(dialect: Dialect, body: Mapping[str, Any], question: str) -> list[Called]:
    """Return the calls that a question asks for of the tools on offer; none once the tools have answered."""
    if results_of(body):
        return []
    offered = dict(_offered(dialect, body))
    found = [match for match in _USE.finditer(question) if match[1] in offered]
    return [Called(f"call_{number}", match[1], {offered[match[1]]: match[2]}) for number, match in enumerate(found, 1)]


def results_of(body: Mapping[str, Any]) -> list[str]:
    """Return what tools have answered since anybody else spoke, as the texts that are inside."""
    texts: list[str] = []
    for turn in reversed(body.get("messages") or body.get("contents") or []):
        parts = turn.get("content") or turn.get("parts") or []
        parts = parts if isinstance(parts, list) else [{"text": parts}]
        if turn.get("role") != "tool":
            parts = [part for part in parts if {"functionResponse", "toolResult"} & part.keys() or _is_result(part)]
        if not parts:
            break
        texts[:0] = [text for part in parts for text in _texts(part)]
    return texts


def with_calls(dialect: Dialect, document: dict[str, Any], calls: list[Called]) -> dict[str, Any]:
    """Return a whole answer that holds the calls too."""
    if isinstance(dialect, AnthropicDialect):
        blocks = [{"type": "tool_use", "id": one.id, "name": one.name, "input": one.arguments} for one in calls]
        return document | {"content": document["content"] + blocks, "stop_reason": "tool_use"}
    if isinstance(dialect, GeminiDialect):
        parts = document["candidates"][0]["content"]["parts"]
        parts += [{"functionCall": {"name": one.name, "args": one.arguments}} for one in calls]
        return document
    if isinstance(dialect, BedrockDialect):
        content = document["output"]["message"]["content"]
        content += [{"toolUse": {"toolUseId": one.id, "name": one.name, "input": one.arguments}} for one in calls]
        return document | {"stopReason": "tool_use"}
    choice = document["choices"][0]
    choice["message"] |= {"content": None, "tool_calls": [_openai(one) for one in calls]}
    choice["finish_reason"] = "tool_calls"
    return document


def streamed(dialect: Dialect, body: Mapping[str, Any], calls: list[Called]) -> Iterator[bytes]:
    """Yield the events of the calls, arguments in pieces where the wire has pieces; they come before the closing."""
    for number, one in enumerate(calls):
        half = len(one.json) // 2
        pieces = (one.json[:half], one.json[half:])
        if isinstance(dialect, AnthropicDialect):
            yield from _anthropic(dialect.thoughts + number + 1, one, pieces)
        elif isinstance(dialect, GeminiDialect):
            call = {"functionCall": {"name": one.name, "args": one.arguments}}
            candidate = {"content": {"role": "model", "parts": [call]}, "index": 0}
            yield event({"modelVersion": "stand-in", "candidates": [candidate]})
        elif isinstance(dialect, BedrockDialect):
            start = {"toolUse": {"toolUseId": one.id, "name": one.name}}
            yield frame("contentBlockStart", {"contentBlockIndex": number + 1, "start": start})
            for piece in pieces:
                delta = {"toolUse": {"input": piece}}
                yield frame("contentBlockDelta", {"contentBlockIndex": number + 1, "delta": delta})
            yield frame("contentBlockStop", {"contentBlockIndex": number + 1})
        else:
            function = {"name": one.name, "arguments": pieces[0]}
            first: dict[str, Any] = {**_openai(one), "index": number, "function": function}
            rest: dict[str, Any] = {"index": number, "function": {"arguments": pieces[1]}}
            for delta in (first, rest):
                choice = {"index": 0, "delta": {"tool_calls": [delta]}, "finish_reason": None}
                yield event({"object": "chat.completion.chunk", "model": body.get("model"), "choices": [choice]})


def _anthropic(index: int, one: Called, pieces: tuple[str, str]) -> Iterator[bytes]:
    block = {"type": "tool_use", "id": one.id, "name": one.name, "input": {}}
    start = {"type": "content_block_start", "index": index, "content_block": block}
    yield event(start, "content_block_start")
    for piece in pieces:
        delta = {"type": "input_json_delta", "partial_json": piece}
        yield event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")
    yield event({"type": "content_block_stop", "index": index}, "content_block_stop")


def _openai(one: Called) -> dict[str, Any]:
    return {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.json}}


def _offered(dialect: Dialect, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name of every tool, and of the first property that its schema has."""
    if isinstance(dialect, AnthropicDialect):
        found = [(tool.get("name"), tool.get("input_schema")) for tool in body.get("tools") or []]
    elif isinstance(dialect, GeminiDialect):
        inner = [one for tool in body.get("tools") or [] for one in tool.get("functionDeclarations") or []]
        found = [(one.get("name"), one.get("parametersJsonSchema") or one.get("parameters")) for one in inner]
    elif isinstance(dialect, BedrockDialect):
        specs = [tool.get("toolSpec") or {} for tool in (body.get("toolConfig") or {}).get("tools") or []]
        found = [(spec.get("name"), (spec.get("inputSchema") or {}).get("json")) for spec in specs]
    else:
        tools = [tool.get("function") or {} for tool in body.get("tools") or []]
        found = [(tool.get("name"), tool.get("parameters")) for tool in tools]
    for name, schema in found:
        if isinstance(name, str):
            yield name, next(iter((schema or {}).get("properties") or {}), "value")


def _is_result(part: Mapping[str, Any]) -> bool:
    return part.get("type") == "tool_result"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, Mapping):
        names = ("text", "content", "result", "output", "json", "toolResult", "functionResponse", "response")
        for name in names:
            if name in value:
                yield from _texts(value[name])
