"""Bedrock's Converse as a codec: requests out and answers in for providers.

Called by the `bedrock` provider. It does no I/O and decides nothing; parameters that it does not know are sent as
`additionalModelRequestFields`, fields of answers that it does not know survive in `End.extra`.
Source: Amazon Bedrock runtime API reference, Converse and ConverseStream, as of 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.reach import output_limit
from headgate.models.upstream.failures import broken_answer, failure, refused
from headgate.models.upstream.frames import FrameParser
from headgate.models.upstream.marks import HINTS
from headgate.models.upstream.turns import (
    Part,
    Turn,
    choice_of,
    conversation,
    one_answer,
    reading,
    schema_of,
    stops_of,
    tools_of,
)
from headgate.models.wires.anthropic_messages import said_of
from headgate.models.wires.openai_chat import OURS, counted, usage_of

_WHO = "Bedrock"
_TRANSLATED = frozenset(
    {
        "messages", "model", "max_tokens", "max_completion_tokens", "stream", "stream_options", "stop", "tools",
        "functions", "tool_choice", "function_call", "response_format", "reasoning_effort", "n", "temperature",
        "top_p", "additionalModelRequestFields",
    }
)  # fmt: skip
_HINTS = frozenset(
    {
        "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "store", "verbosity",
        "prediction", "modalities", "audio", "prompt_cache_key", "safety_identifier", "user", "metadata",
        "service_tier", "parallel_tool_calls", *HINTS,
    }
)  # fmt: skip
"""Parameters of OpenAI's that this API has no word for and that only hint: left out."""
_OPERATORS = frozenset({"guardrailConfig", "performanceConfig", "serviceTier", "promptVariables", "requestMetadata"})
"""Settings of the request that belong in the provider's defaults: a caller could weaken a guardrail with them."""
_LIMITS = re.compile(r"max|token|inference|additional", re.IGNORECASE)
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_BROKEN = frozenset({"malformed_model_output", "malformed_tool_use"})
_EFFORTS = frozenset({"low", "medium", "high", "max"})
_FORMATS = {"jpg": "jpeg", "plain": "txt", "markdown": "md", "x-wav": "wav", "mpeg": "mp3"}
_KNOWN = frozenset({"output", "stopReason", "usage", "ResponseMetadata"})
_MALFORMED = (KeyError, TypeError, AttributeError, ValueError)


def encode_request(call: Call, defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body to send, always with an output limit. Raises ProviderError for what this wire cannot say."""
    with reading(_WHO):
        return _encoded(call, defaults or {})


def _encoded(call: Call, defaults: Mapping[str, Any]) -> dict[str, Any]:
    asked = {**defaults, **call.body}
    one_answer(asked, _WHO)
    system, turns = conversation(asked, _WHO)
    config: dict[str, Any] = {"maxTokens": output_limit(call.body)}
    for key, name in (("temperature", "temperature"), ("top_p", "topP")):
        if asked.get(key) is not None:
            config[name] = asked[key]
    if stops := stops_of(asked):
        config["stopSequences"] = stops
    body: dict[str, Any] = {"messages": [_message(turn) for turn in turns], "inferenceConfig": config}
    if system:
        body["system"] = [block for part in system for block in _blocks(part)]
    return body | _tools(asked, turns) | _format(asked) | _others(asked, call.body)


def decode(data: Any, call: Call) -> tuple[str, End]:
    """Read a whole answer. Raises ProviderError when it is not one."""
    refuse_error(data)
    try:
        blocks = [_known(block) for block in data["output"]["message"]["content"]]
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        reason = data["stopReason"]
        if not isinstance(reason, str):
            raise TypeError
        return text, _end(data, blocks, text, call, numbered=False)
    except _MALFORMED:
        raise broken_answer("'s answer is no message") from None


class StreamDecoder:
    """Reads the events of one streamed answer: text as it comes, and everything else put together for the end."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._blocks: dict[int, dict[str, Any]] = {}
        self._data: dict[str, Any] = {}
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
        try:
            blocks = [self._blocks[index] for index in sorted(self._blocks)]
            return _end(self._data, blocks, "".join(self._text), self._call, numbered=True)
        except _MALFORMED:
            raise broken_answer("'s answer is no message", retryable=not self._text) from None

    def _take(self, event: Any) -> Delta | None:
        ((kind, said),) = event.items()
        if kind == "contentBlockStart":
            self._blocks[said["contentBlockIndex"]] = _known(said["start"])
        elif kind == "contentBlockDelta":
            return self._grow(said["contentBlockIndex"], said["delta"])
        elif kind == "messageStop":
            self.reason = str(said["stopReason"])
            self._data |= {key: value for key, value in said.items() if key != "p"}
        elif kind == "metadata":
            self._data |= {key: value for key, value in said.items() if key != "p"}
        return None

    def _grow(self, index: int, delta: Mapping[str, Any]) -> Delta:
        """Add a delta to its block, which text and thoughts do not announce; return what it brought."""
        if "text" in delta:
            self._blocks.setdefault(index, {"type": "text"})
            return Delta(str(delta["text"]))
        if "toolUse" in delta:
            block = self._blocks[index]
            block["partial_json"] = block.get("partial_json", "") + delta["toolUse"]["input"]
        elif "reasoningContent" in delta:
            thought = delta["reasoningContent"]
            kind = "redacted_thinking" if "redactedContent" in thought else "thinking"
            block = self._blocks.setdefault(index, {"type": kind})
            for key, name in (("text", "thinking"), ("signature", "signature"), ("redactedContent", "data")):
                if key in thought:
                    block[name] = block.get(name, "") + thought[key]
            return Delta(reasoning=str(thought.get("text") or ""))
        else:
            self._blocks.setdefault(index, {"type": "other", "deltas": []}).setdefault("deltas", []).append(delta)
        return Delta()


def refuse_error(data: Any) -> None:
    """Raise ProviderError for an error sent in the place of an answer or of an event."""
    if isinstance(data, dict) and isinstance(data.get("error"), dict):
        raise _failed(None, str(data["error"].get("type") or ""), data["error"].get("message"), {})
    if isinstance(data, dict) and "output" not in data and isinstance(data.get("message"), str):
        raise _failed(None, "", data["message"], {})


def error_of(data: Any, status: int | None, headers: Mapping[str, str]) -> ProviderError:
    """Read an error answer: its kind is in a header, its words in the body."""
    message = (data.get("message") or data.get("Message")) if isinstance(data, dict) else ""
    return _failed(status, headers.get("x-amzn-errortype", "").partition(":")[0], message, headers)


def _failed(status: int | None, kind: str, message: Any, headers: Mapping[str, str]) -> ProviderError:
    filtered = " content_filter" if "content filtering policy" in str(message or "") else ""
    return failure(status, kind + filtered, message, headers)


def _message(turn: Turn) -> dict[str, Any]:
    return {"role": turn.role, "content": [block for part in turn.parts for block in _blocks(part)]}


def _blocks(part: Part) -> list[dict[str, Any]]:
    block = _block(part)
    return [block, {"cachePoint": {"type": "default"}}] if part.raw.get("cache_control") else [block]


def _block(part: Part) -> dict[str, Any]:
    match part.kind:
        case "text":
            return {"text": part.text}
        case "thought":
            return {"reasoningContent": _thought(part.raw)}
        case "call":
            return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": part.value}}
        case "result":
            content = [_block(piece) for piece in part.parts] or [{"text": "(nothing)"}]
            result = {"toolUseId": part.id, "content": content}
            return {"toolResult": result | ({"status": "error"} if part.raw.get("is_error") else {})}
        case "file":
            name = re.sub(r"[^A-Za-z0-9()\[\]-]+", " ", part.name.rpartition(".")[0] or part.name).strip()
            return {"document": {"name": name or "document", **_source(part)}}
    return {part.kind: _source(part)}


def _thought(raw: Mapping[str, Any]) -> dict[str, Any]:
    if raw.get("type") == "redacted_thinking":
        return {"redactedContent": raw.get("data", "")}
    signed = {"signature": raw["signature"]} if raw.get("signature") else {}
    return {"reasoningText": {"text": raw.get("thinking", ""), **signed}}


def _source(part: Part) -> dict[str, Any]:
    """Return format and source of media: bytes in base64, or a place in S3, the only links that this API follows."""
    if part.url and not part.url.startswith("s3://"):
        raise refused(f"{_WHO} follows no links", "send the content as a data URL")
    form = part.url.rpartition(".")[2] if part.url else part.mime.partition("/")[2]
    source = {"s3Location": {"uri": part.url}} if part.url else {"bytes": part.data}
    return {"format": _FORMATS.get(form, form), "source": source}


def _tools(asked: Mapping[str, Any], turns: list[Turn]) -> dict[str, Any]:
    tools = tools_of(asked, _WHO)
    mode, name = choice_of(asked, _WHO) if tools else ("", "")
    if mode == "none":
        if any(part.kind in ("call", "result") for turn in turns for part in turn.parts):
            raise refused(f"{_WHO} cannot forbid tools that were used before", "leave out tool_choice")
        return {}
    if not tools:
        return {}
    config: dict[str, Any] = {"tools": [_tool(tool.raw, tool.schema) for tool in tools]}
    if mode:
        config["toolChoice"] = {"auto": {"auto": {}}, "required": {"any": {}}, "tool": {"tool": {"name": name}}}[mode]
    return {"toolConfig": config}


def _tool(raw: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": raw["name"], "inputSchema": {"json": schema}}
    if raw.get("description"):
        found["description"] = raw["description"]
    if raw.get("strict") is not None:
        found["strict"] = raw["strict"]
    return {"toolSpec": found}


def _format(asked: Mapping[str, Any]) -> dict[str, Any]:
    form, schema = schema_of(asked, _WHO)
    if form == "json":
        raise refused(f"{_WHO} promises JSON only by a schema", "use response_format of type json_schema")
    found: dict[str, Any] = {}
    if schema is not None:
        written = {"name": str(asked["response_format"]["json_schema"].get("name") or "answer")}
        written["schema"] = msgspec.json.encode(schema).decode()
        found["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": written}}
    if asked.get("reasoning_effort") in _EFFORTS:
        found["effort"] = asked["reasoning_effort"]
    return {"outputConfig": found} if found else {}


def _others(asked: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operator's settings, and what this API does not know as fields of the model."""
    unknown = {key: value for key, value in asked.items() if key not in _TRANSLATED | _HINTS | _OPERATORS | OURS}
    if costly := sorted(key for key in said if key in _OPERATORS or (key in unknown and _LIMITS.search(key))):
        raise refused(f"{_WHO} may not be sent {', '.join(costly)} by a caller", "set it in the provider's defaults")
    found = {key: asked[key] for key in _OPERATORS & asked.keys()}
    own = {} if "additionalModelRequestFields" in said else asked.get("additionalModelRequestFields") or {}
    return found | ({"additionalModelRequestFields": {**own, **unknown}} if own or unknown else {})


def _known(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block in the words of Anthropic's messages, which the parts for `End.extra` are made from."""
    if "text" in block:
        if not isinstance(block["text"], str):
            raise TypeError
        return {"type": "text", "text": block["text"]}
    if use := block.get("toolUse"):
        return {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use.get("input") or {}}
    if thought := block.get("reasoningContent"):
        if "redactedContent" in thought:
            return {"type": "redacted_thinking", "data": thought["redactedContent"]}
        inner = thought["reasoningText"]
        signed = {"signature": inner["signature"]} if inner.get("signature") else {}
        return {"type": "thinking", "thinking": inner["text"], **signed}
    return {"type": "other", **block}


def _end(data: Mapping[str, Any], blocks: list[dict[str, Any]], text: str, call: Call, *, numbered: bool) -> End:
    reason = str(data["stopReason"])
    if reason in _BROKEN:
        raise broken_answer(f" ended with {reason}", retryable=not (numbered and text))
    message, usage = said_of(blocks, numbered=numbered), _usage(data.get("usage"))
    extra = {key: value for key, value in data.items() if key not in _KNOWN and value is not None}
    extra["message"] = {key: value for key, value in message.items() if value}
    extra["choice"] = {"native_finish_reason": reason}
    extra["usage"] = usage
    counts = usage_of(usage, call, text + str(message.get("tool_calls") or ""))
    return End(_REASONS.get(reason, reason), counts, call.model, extra={k: v for k, v in extra.items() if v})


def _usage(raw: Any) -> dict[str, Any]:
    """Return the counts in OpenAI's words beside Bedrock's own; its input leaves out what a cache read or wrote."""
    if not isinstance(raw, dict) or not (counted(raw.get("inputTokens")) or counted(raw.get("outputTokens"))):
        return {}
    read, written = counted(raw.get("cacheReadInputTokens")), counted(raw.get("cacheWriteInputTokens"))
    given, got = counted(raw.get("inputTokens")) + read + written, counted(raw.get("outputTokens"))
    found = {**raw, "prompt_tokens": given, "completion_tokens": got, "total_tokens": given + got}
    return found | {"prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written}}


class BedrockConverse:
    """The codec as one object, the way the plugin door hands it out."""

    behaviour = 1
    encode_request = staticmethod(encode_request)
    decode = staticmethod(decode)
    stream = StreamDecoder
    answer = chunk = staticmethod(msgspec.json.Decoder().decode)
    error_of = staticmethod(error_of)
    parser = FrameParser


plugin = BedrockConverse()
