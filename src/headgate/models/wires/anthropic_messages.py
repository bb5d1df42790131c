"""Anthropic's messages as a codec: requests out and answers in for providers.

Called by the `anthropic` provider. It does no I/O and decides nothing; parameters that it does not know are sent as
they are, fields of answers that it does not know survive in `End.extra`. Source: Anthropic API reference, messages,
version 2023-06-01, as of 2026.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.kernel import Usage
from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.reach import output_limit
from headgate.models.sse import EventParser
from headgate.models.upstream.failures import broken_answer, failure, refused
from headgate.models.upstream.turns import (
    Part,
    Turn,
    arguments,
    choice_of,
    conversation,
    one_answer,
    reading,
    schema_of,
    stops_of,
    tools_of,
)
from headgate.models.wires.openai_chat import OURS, counted, usage_of

_WHO = "Anthropic"
_TRANSLATED = frozenset(
    {
        "messages", "model", "max_tokens", "max_completion_tokens", "stream", "stream_options", "stop", "tools",
        "functions", "tool_choice", "function_call", "parallel_tool_calls", "response_format", "reasoning_effort",
        "user", "metadata", "service_tier", "n",
    }
)  # fmt: skip
_HINTS = frozenset(
    {
        "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "store",
        "verbosity", "prediction", "modalities", "audio", "prompt_cache_key", "safety_identifier",
    }
)  # fmt: skip
"""Parameters of OpenAI's that this API refuses and that only hint: left out."""
_COSTLY = frozenset({"mcp_servers", "container", "speed", "web_search_options"})
"""Parameters by which a call would reach others, or cost more than its bound: refused unless they are defaults."""
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_CHOICES = {"auto": "auto", "none": "none", "required": "any", "tool": "tool"}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_KNOWN = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"})
_MALFORMED = (KeyError, TypeError, AttributeError, ValueError)


def encode_request(call: Call, defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body to send, always with an output limit. Raises ProviderError for what this wire cannot say."""
    with reading(_WHO):
        return _encoded(call, defaults or {})


def _encoded(call: Call, defaults: Mapping[str, Any]) -> dict[str, Any]:
    if costly := sorted(_COSTLY & call.body.keys()):
        raise refused(f"{_WHO} may not be sent {', '.join(costly)} by a caller", "set it in the provider's defaults")
    if "context_management" in call.body and b'"compact' in msgspec.json.encode(call.body["context_management"]):
        # It is a second call of the model, whose tokens the usage of the first does not hold.
        raise refused(f"{_WHO} may not be told to compact a conversation by a caller", "shorten messages instead")
    asked = {**defaults, **call.body}
    one_answer(asked, _WHO)
    body = {key: value for key, value in asked.items() if key not in _TRANSLATED | _HINTS | OURS}
    system, turns = conversation(asked, _WHO)
    body |= {"model": call.model, "stream": call.stream, "max_tokens": output_limit(call.body)}
    body["messages"] = [_message(turn) for turn in turns]
    if system:
        body["system"] = [_block(part) for part in system]
    if stops := stops_of(asked):
        body["stop_sequences"] = stops
    if tools := [_tool(tool.raw, tool.schema) for tool in tools_of(asked, _WHO)]:
        body["tools"] = tools
        if choice := _choice(asked):
            body["tool_choice"] = choice
    return body | _settings(asked)


def decode(data: Any, call: Call) -> tuple[str, End]:
    """Read a whole answer. Raises ProviderError when it is not one."""
    refuse_error(data)
    try:
        blocks, reason = data["content"], data["stop_reason"]
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        if not isinstance(reason, str):
            raise broken_answer("'s answer has no end")
        return text, _end(data, said_of(blocks, numbered=False), text, call)
    except _MALFORMED:
        raise broken_answer("'s answer is no message") from None


class StreamDecoder:
    """Reads the events of one streamed answer: text as it comes, and everything else put together for the end."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._head: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._counted = False
        self._text: list[str] = []
        self.reason: str | None = None
        self.finished = False

    def feed(self, chunk: Any) -> Delta | None:
        """Take one event; return what it brought, if anything. Raises ProviderError for an error sent mid-stream."""
        refuse_error(chunk)
        try:
            delta = self._take(chunk)
        except _MALFORMED:
            raise broken_answer(" sent an event that is none") from None
        if delta is not None and delta.text:
            self._text.append(delta.text)
        return delta

    def end(self) -> End:
        """Return how it ended. Raises ProviderError when the stream stopped without a reason."""
        if self.reason is None:
            raise broken_answer("'s answer stopped before its end", retryable=not self._text)
        data = self._head if self._counted else {key: self._head[key] for key in self._head if key != "usage"}
        try:
            blocks = [self._blocks[index] for index in sorted(self._blocks)]
            return _end(data, said_of(blocks, numbered=True), "".join(self._text), self._call)
        except _MALFORMED:
            raise broken_answer("'s answer is no message", retryable=not self._text) from None

    def _take(self, event: Any) -> Delta | None:
        match event["type"]:
            case "message_start":
                self._head |= {key: value for key, value in event["message"].items() if key != "content"}
            case "content_block_start":
                block = dict(event["content_block"])
                self._blocks[event["index"]] = block
                text = str(block.get("text") or "") if block["type"] == "text" else ""
                return Delta(text) if text or block["type"] == "tool_use" else None
            case "content_block_delta":
                return _grow(self._blocks[event["index"]], event["delta"])
            case "message_delta":
                self._head |= event["delta"]
                if usage := event.get("usage"):
                    self._head["usage"] = {**(self._head.get("usage") or {}), **usage}
                    self._counted = True
                self.reason = str(self._head.get("stop_reason") or "") or self.reason
            case "message_stop":
                self.finished = True
        return None


def refuse_error(data: Any) -> None:
    """Raise ProviderError for an error sent in the place of an answer or of an event."""
    if isinstance(data, dict) and isinstance(data.get("error"), dict):
        raise error_of(data, None, {})


def error_of(data: Any, status: int | None, headers: Mapping[str, str]) -> ProviderError:
    """Read an error answer: what the provider says, whether trying again makes sense, and when."""
    error = data.get("error") if isinstance(data, dict) else None
    error = error if isinstance(error, dict) else {}
    message = str(error.get("message") or "")
    words = str(error.get("type") or "") + (" content_filter" if "content filtering policy" in message else "")
    return failure(status, words, message, headers)


def _message(turn: Turn) -> dict[str, Any]:
    return {"role": turn.role, "content": [_block(part) for part in turn.parts]}


def _block(part: Part) -> dict[str, Any]:
    if part.kind == "thought":
        return dict(part.raw)
    block = _BLOCKS[part.kind](part)
    return {**block, "cache_control": part.raw["cache_control"]} if part.raw.get("cache_control") else block


def _text(part: Part) -> dict[str, Any]:
    return {"type": "text", "text": part.text, **_beside(part, "citations")}


def _image(part: Part) -> dict[str, Any]:
    return {"type": "image", "source": _source(part)}


def _file(part: Part) -> dict[str, Any]:
    source = _source(part)
    if part.mime.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _decoded(part.data)}
    return {"type": "document", "source": source, **({"title": part.name} if part.name else {})} | _beside(
        part, "citations", "context"
    )


def _beside(part: Part, *names: str) -> dict[str, Any]:
    """Return what only this wire writes beside a part, as a client of it did."""
    return {name: part.raw[name] for name in names if part.raw.get(name)}


def _audio(part: Part) -> dict[str, Any]:
    raise refused(f"{_WHO} takes no audio", "transcribe it first, or ask a model that listens")


def _called(part: Part) -> dict[str, Any]:
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.value}


def _resulted(part: Part) -> dict[str, Any]:
    plain = all(piece.kind == "text" for piece in part.parts)
    content = part.text if plain else [_block(piece) for piece in part.parts]
    block = {"type": "tool_result", "tool_use_id": part.id, "content": content}
    return block | ({"is_error": True} if part.raw.get("is_error") else {})


_BLOCKS = {"text": _text, "image": _image, "file": _file, "audio": _audio, "call": _called, "result": _resulted}


def _source(part: Part) -> dict[str, Any]:
    if part.url:
        return {"type": "url", "url": part.url}
    return {"type": "base64", "media_type": part.mime, "data": part.data}


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8")
    except ValueError:
        raise refused("a file of type text/plain must be UTF-8 in base64") from None


def _tool(raw: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool; what else was written beside it (`strict`, `cache_control`) stays."""
    rest = {key: value for key, value in raw.items() if key not in ("parameters", "name") and value is not None}
    return {"name": raw["name"], "input_schema": schema, **rest}


def _choice(asked: Mapping[str, Any]) -> dict[str, Any]:
    mode, name = choice_of(asked, _WHO)
    alone = asked.get("parallel_tool_calls") is False
    if not mode and not alone:
        return {}
    choice: dict[str, Any] = {"type": _CHOICES[mode or "auto"]}
    if name:
        choice["name"] = name
    if alone and mode != "none":
        choice["disable_parallel_tool_use"] = True
    return choice


def _settings(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return format, effort, user and tier in this wire's words."""
    found: dict[str, Any] = {}
    output = dict(asked.get("output_config") or {})
    form, schema = schema_of(asked, _WHO)
    if form == "json":
        raise refused(f"{_WHO} promises JSON only by a schema", "use response_format of type json_schema")
    if schema is not None:
        output["format"] = {"type": "json_schema", "schema": schema}
    effort = asked.get("reasoning_effort")
    if effort == "none":
        found["thinking"] = {"type": "disabled"}
    elif effort in _EFFORTS:
        output.setdefault("effort", _EFFORTS[effort])
    if output:
        found["output_config"] = output
    user = (asked.get("metadata") or {}).get("user_id") or asked.get("user")
    if user:
        found["metadata"] = {"user_id": str(user)}
    if asked.get("service_tier") in ("auto", "standard_only"):
        found["service_tier"] = asked["service_tier"]
    return found


def _grow(block: dict[str, Any], delta: Mapping[str, Any]) -> Delta:
    """Add a delta to its block; return what it brought."""
    match delta["type"]:
        case "text_delta":
            return Delta(str(delta["text"]))
        case "input_json_delta":
            block["partial_json"] = block.get("partial_json", "") + delta["partial_json"]
        case "thinking_delta":
            block["thinking"] = block.get("thinking", "") + delta["thinking"]
            return Delta(reasoning=str(delta["thinking"]))
        case "signature_delta":
            block["signature"] = block.get("signature", "") + delta["signature"]
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]
    return Delta()


def said_of(blocks: list[Any], *, numbered: bool) -> dict[str, Any]:
    """Return what a message holds besides text, in OpenAI's shape; numbered: with the index that streams need."""
    calls: list[dict[str, Any]] = []
    thoughts: list[Any] = []
    citations: list[Any] = []
    others: list[Any] = []
    for block in blocks:
        if block["type"] == "tool_use":
            call = {"id": block["id"], "type": "function", "function": _function(block)}
            calls.append({"index": len(calls), **call} if numbered else call)
        elif block["type"] in ("thinking", "redacted_thinking"):
            thoughts.append(block)
        elif block["type"] == "text":
            citations += block.get("citations") or []
        else:
            others.append(block)
    reasoning = "".join(block.get("thinking") or "" for block in thoughts)
    return {
        "tool_calls": calls,
        "reasoning_content": reasoning,
        "thinking_blocks": thoughts,
        "citations": citations,
        "content_blocks": others,
    }


def _function(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's name and arguments; streamed arguments stay the text that came, broken or not."""
    text = block.get("partial_json") or msgspec.json.encode(arguments(block.get("input"))).decode()
    return {"name": block["name"], "arguments": text}


def _end(data: Mapping[str, Any], message: Mapping[str, Any], text: str, call: Call) -> End:
    reason, stop = str(data["stop_reason"]), data.get("stop_sequence")
    usage = _usage(data.get("usage"))
    parts = {
        "message": {key: value for key, value in message.items() if value},
        "choice": {"native_finish_reason": reason} | ({"stop_sequence": stop} if stop else {}),
        "usage": usage,
    }
    extra = {key: value for key, value in data.items() if key not in _KNOWN and value is not None}
    extra |= {key: value for key, value in parts.items() if value}
    counts: Usage = usage_of(usage, call, text + str(message.get("tool_calls") or ""))
    return End(_REASONS.get(reason, reason), counts, str(data.get("model") or call.model), extra=extra)


def _usage(raw: Any) -> dict[str, Any]:
    """Return the counts in OpenAI's words beside Anthropic's own; its input leaves out what a cache read or wrote."""
    if not isinstance(raw, dict) or not (counted(raw.get("input_tokens")) or counted(raw.get("output_tokens"))):
        return {}
    read, written = counted(raw.get("cache_read_input_tokens")), counted(raw.get("cache_creation_input_tokens"))
    given, got = counted(raw.get("input_tokens")) + read + written, counted(raw.get("output_tokens"))
    details = raw.get("output_tokens_details")
    thought = counted(details.get("thinking_tokens")) if isinstance(details, dict) else 0
    found = {**raw, "prompt_tokens": given, "completion_tokens": got, "total_tokens": given + got}
    found["prompt_tokens_details"] = {"cached_tokens": read, "cache_write_tokens": written}
    return found | ({"completion_tokens_details": {"reasoning_tokens": thought}} if thought else {})


class AnthropicMessages:
    """The codec as one object, the way the plugin door hands it out."""

    behaviour = 1
    encode_request = staticmethod(encode_request)
    decode = staticmethod(decode)
    stream = StreamDecoder
    answer = chunk = staticmethod(msgspec.json.Decoder().decode)
    error_of = staticmethod(error_of)
    parser = EventParser


plugin = AnthropicMessages()
