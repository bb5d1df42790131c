"""What a client of each wire got, judged: exactly one proper end, or an error in the wire's own words (P8).

Used by the tests of this folder and by `benchmarks/soak_gateway.py`. A client wire is the name of an edge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic-messages": "/v1/messages",
}
_FINISHED = ("response.completed", "response.incomplete", "response.failed")


@dataclass(frozen=True)
class Ended:
    """How an answer ended. text: what was said; code: ours, of an error; wrong: why this is no proper end."""

    text: str = ""
    code: str = ""
    calls: int = 0
    wrong: str = ""


def request(wire: str, model: str, text: str, *, stream: bool, **more: Any) -> Object:
    """Return the body that asks a question on a wire."""
    if wire == "openai-responses":
        return {"model": model, "input": text, "stream": stream, **more}
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **more}
    return {"max_tokens": 200, **body} if wire == "anthropic-messages" else body


def tool(wire: str, name: str = "weather", about: str = "city") -> Object:
    """Return how a wire offers a tool with one argument."""
    schema = {"type": "object", "properties": {about: {"type": "string"}}, "required": [about]}
    if wire == "anthropic-messages":
        return {"name": name, "description": "Tells it.", "input_schema": schema}
    function = {"name": name, "description": "Tells it.", "parameters": schema}
    return (
        {"type": "function", **function} if wire == "openai-responses" else {"type": "function", "function": function}
    )


def ended(wire: str, status: int, kind: str, raw: bytes) -> Ended:
    """Judge an answer by its status, content type and whole body."""
    try:
        if kind.startswith("text/event-stream"):
            if status != 200:
                return Ended(wrong=f"a stream with status {status}")
            return _STREAMS[wire](raw.decode())
        body = json.loads(raw)
        return _WHOLE[wire](body) if status == 200 else _failed(wire, body)
    except (ValueError, KeyError, TypeError, IndexError) as problem:
        return Ended(wrong=f"{type(problem).__name__}: {problem}: {raw[-300:]!r}")


def _failed(wire: str, body: Mapping[str, Any]) -> Ended:
    error = body["error"]
    if not error["message"] or not error["type"]:
        return Ended(wrong=f"an error without words: {body}")
    if wire == "anthropic-messages":
        if body["type"] != "error":
            return Ended(wrong=f"no error of its wire: {body}")
        return Ended(code=error["details"]["error_code"])
    return Ended(code=error["code"])


def _chat_whole(body: Mapping[str, Any]) -> Ended:
    choice = body["choices"][0]
    message = choice["message"]
    wrong = "" if choice["finish_reason"] and body["usage"]["total_tokens"] >= 0 else "no finish reason"
    return Ended(message["content"] or "", calls=len(message.get("tool_calls") or ()), wrong=wrong)


def _responses_whole(body: Mapping[str, Any]) -> Ended:
    parts = [part for item in body["output"] for part in item.get("content") or ()]
    calls = sum(item["type"] == "function_call" for item in body["output"])
    wrong = "" if body["status"] in ("completed", "incomplete") and body["usage"] else f"status {body['status']}"
    said = "".join(part.get("text") or "" for part in parts if part["type"] == "output_text")
    return Ended(said, calls=calls, wrong=wrong)


def _messages_whole(body: Mapping[str, Any]) -> Ended:
    said = "".join(block["text"] for block in body["content"] if block["type"] == "text")
    calls = sum(block["type"] == "tool_use" for block in body["content"])
    return Ended(said, calls=calls, wrong="" if body["stop_reason"] and body["usage"] else "no stop reason")


def _chat_stream(raw: str) -> Ended:
    frames = raw.split("\n\n")
    if frames.pop() or not all(frame.startswith("data: ") for frame in frames):
        return Ended(wrong=f"cut: {raw[-200:]!r}")
    if frames[-1] != "data: [DONE]" or raw.count("data: [DONE]") != 1:
        return Ended(wrong=f"{raw.count('data: [DONE]')} [DONE], and last {frames[-1][:200]!r}")
    events = [json.loads(frame[6:]) for frame in frames[:-1]]
    errors = [event["error"]["code"] for event in events if "error" in event]
    choices = [choice for event in events for choice in event.get("choices", ()) if choice["index"] == 0]
    ends = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    said = "".join(choice["delta"].get("content") or "" for choice in choices)
    calls = sum(len(choice["delta"].get("tool_calls") or ()) for choice in choices)
    wrong = "" if len(errors) + len(ends) == 1 else f"{len(ends)} ends and {len(errors)} errors"
    if errors and "error" not in events[-1]:
        wrong = "it goes on after an error"
    return Ended(said, errors[0] if errors else "", calls, wrong)


def _typed(raw: str) -> tuple[list[Object], str]:
    """Return the events of a wire whose events have names, and what is wrong with them."""
    frames, events = raw.split("\n\n"), []
    if frames.pop():
        return [], f"cut: {raw[-200:]!r}"
    for frame in frames:
        name, _, data = frame.partition("\n")
        event = json.loads(data.removeprefix("data: "))
        if name != f"event: {event['type']}":
            return [], f"{name!r} is a {event['type']}"
        events.append(event)
    return events, ""


def _responses_stream(raw: str) -> Ended:
    events, wrong = _typed(raw)
    kinds = [event["type"] for event in events]
    errors = [event["code"] for event in events if event["type"] == "error"]
    if not wrong and [event["sequence_number"] for event in events] != list(range(len(events))):
        wrong = "events are not numbered in order"
    elif not wrong and kinds[0] != "response.created":
        wrong = f"begins with {kinds[0]}"
    elif not wrong and sum(kinds.count(kind) for kind in (*_FINISHED, "error")) != 1:
        wrong = "not one end"
    elif not wrong and kinds[-1] not in (*_FINISHED, "error"):
        wrong = f"ends with {kinds[-1]}"
    elif (
        not wrong
        and not errors
        and kinds.count("response.output_item.added") != kinds.count("response.output_item.done")
    ):
        wrong = "an item stays open"
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    calls = kinds.count("response.function_call_arguments.done")
    return Ended(said, errors[0] if errors else "", calls, wrong)


def _messages_stream(raw: str) -> Ended:
    events, wrong = _typed(raw)
    kinds = [event["type"] for event in events]
    errors = [event["error"]["details"]["error_code"] for event in events if event["type"] == "error"]
    ends = kinds.count("message_stop")
    if not wrong and (kinds[0] != "message_start" or kinds.count("message_start") != 1):
        wrong = f"begins with {kinds[:2]}"
    elif not wrong and (ends + len(errors) != 1 or kinds[-1] not in ("message_stop", "error")):
        wrong = f"{ends} ends, {len(errors)} errors, and last {kinds[-1]}"
    elif not wrong and ends and kinds.count("message_delta") != 1:
        wrong = f"{kinds.count('message_delta')} stop reasons"
    elif not wrong and ends and kinds.count("content_block_start") != kinds.count("content_block_stop"):
        wrong = "a block stays open"
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    said = "".join(delta.get("text") or "" for delta in deltas)
    blocks = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    return Ended(said, errors[0] if errors else "", blocks.count("tool_use"), wrong)


_STREAMS: dict[str, Callable[[str], Ended]] = {
    "openai-chat": _chat_stream,
    "openai-responses": _responses_stream,
    "anthropic-messages": _messages_stream,
}
_WHOLE: dict[str, Callable[[Mapping[str, Any]], Ended]] = {
    "openai-chat": _chat_whole,
    "openai-responses": _responses_whole,
    "anthropic-messages": _messages_whole,
}
