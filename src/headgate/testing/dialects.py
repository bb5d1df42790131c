"""How the stand-in server speaks the wires of providers: OpenAI's, Anthropic's, Gemini's, Bedrock's.

Called by `upstream`, which decides what is said and what goes wrong. A dialect says it: whole, or as events.
"""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Mapping
from typing import Any, Protocol

from headgate.kernel import Usage, new_id

_WORDS = {429: "slow down", 500: "broken", 503: "overloaded"}
THOUGHT = "Let me look at the sources. "
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzdGFuZC1pbg=="
_THINKING = {"type": "thinking", "thinking": "", "signature": ""}
TOOL_JSON = '{"city": "Par'
_COMMENT = b": pause\n\n"
_HALF = b'data: {"choi'


class Dialect(Protocol):
    """One wire, for one request. `usage` and `ended` are left out by faults. calling: the answer holds calls."""

    calling: bool

    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the request as a chat completion's body."""
        ...

    def whole(self, body: dict[str, Any], text: str, usage: Usage | None, ended: bool) -> dict[str, Any]: ...

    def opening(self, body: dict[str, Any], usage: Usage | None) -> bytes: ...

    def piece(self, body: dict[str, Any], text: str) -> bytes: ...

    def tool(self, body: dict[str, Any]) -> bytes:
        """Return the events of a call whose arguments are cut in the middle."""
        ...

    def closing(self, body: dict[str, Any], usage: Usage | None, ended: bool) -> bytes: ...

    def last(self) -> bytes: ...

    def comment(self) -> bytes:
        """Return an event that says nothing."""
        ...

    def half(self) -> bytes:
        """Return the first half of an event."""
        ...

    def broke(self) -> bytes:
        """Return an error sent inside a stream."""
        ...

    def error(self, status: int) -> dict[str, Any]: ...

    def filtered(self) -> tuple[int, dict[str, Any]]:
        """Return how a prompt is refused for its content."""
        ...


def event(data: Mapping[str, Any], name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


class OpenAIDialect:
    """Thinks aloud when it is asked for an effort, and gives log-probabilities and several choices when asked to."""

    calling = False

    def __init__(self) -> None:
        self.said: list[str] = []

    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        return body

    def whole(self, body: dict[str, Any], text: str, usage: Usage | None, ended: bool) -> dict[str, Any]:
        thought = {"reasoning_content": THOUGHT} if body.get("reasoning_effort") else {}
        message = {"role": "assistant", "content": text, **thought}
        choice = {"message": message, "finish_reason": "stop" if ended else None, **_logprobs(body, text)}
        choices = [{"index": index, **choice} for index in range(body.get("n") or 1)]
        return self._head(body, "chat.completion") | {"choices": choices} | self._usage(usage)

    def opening(self, body: dict[str, Any], usage: Usage | None) -> bytes:
        thought = self._event(body, {"reasoning_content": THOUGHT}) if body.get("reasoning_effort") else b""
        return self._event(body, {"role": "assistant", "content": ""}) + thought

    def piece(self, body: dict[str, Any], text: str) -> bytes:
        self.said.append(text)
        return self._event(body, {"content": text}, rest=_logprobs(body, text))

    def tool(self, body: dict[str, Any]) -> bytes:
        function = {"name": "weather", "arguments": TOOL_JSON}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        return self._event(body, {"tool_calls": [call]})

    def closing(self, body: dict[str, Any], usage: Usage | None, ended: bool) -> bytes:
        found = self._event(body, {}, "tool_calls" if self.calling else "stop") if ended else b""
        for index in range(1, body.get("n") or 1):
            found += self._event(body, {"content": "".join(self.said)}, "stop", {"index": index})
        if usage and (body.get("stream_options") or {}).get("include_usage"):
            found += event(self._head(body, "chat.completion.chunk") | {"choices": []} | self._usage(usage))
        return found

    def last(self) -> bytes:
        return b"data: [DONE]\n\n"

    def comment(self) -> bytes:
        return _COMMENT

    def half(self) -> bytes:
        return _HALF

    def broke(self) -> bytes:
        return event(self.error(503))

    def error(self, status: int) -> dict[str, Any]:
        kind = "rate_limit_error" if status == 429 else "server_error"
        return {"error": {"message": _WORDS[status], "type": kind}}

    def filtered(self) -> tuple[int, dict[str, Any]]:
        return 400, {"error": {"message": "filtered", "code": "content_filter"}}

    def _event(
        self,
        body: Mapping[str, Any],
        delta: Mapping[str, Any],
        reason: str | None = None,
        rest: Mapping[str, Any] | None = None,
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, **(rest or {})}
        return event(self._head(body, "chat.completion.chunk") | {"choices": [choice]})

    def _head(self, body: Mapping[str, Any], kind: str) -> dict[str, Any]:
        model = str(body.get("model") or "stand-in")
        base = {"id": new_id("chat"), "object": kind, "created": int(time.time()), "model": model}
        return {**base, "system_fingerprint": "fp_stand_in"}

    def _usage(self, usage: Usage | None) -> dict[str, Any]:
        if usage is None:
            return {}
        given, got = usage.input_tokens, usage.output_tokens
        return {"usage": {"prompt_tokens": given, "completion_tokens": got, "total_tokens": given + got}}


class AnthropicDialect:
    """Thinks when it is asked to, and signs what it thought. thoughts: how many blocks of thought came before text."""

    calling = False
    thoughts = 0

    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
        return {**body, "messages": system + list(body.get("messages") or [])}

    def whole(self, body: dict[str, Any], text: str, usage: Usage | None, ended: bool) -> dict[str, Any]:
        reason = "end_turn" if ended else None
        content = [{**_THINKING, "thinking": THOUGHT, "signature": SIGNATURE}] if _thinks(body) else []
        content.append({"type": "text", "text": text})
        found = self._message(body) | {"content": content, "stop_reason": reason}
        return found | ({"usage": self._usage(usage)} if usage else {})

    def opening(self, body: dict[str, Any], usage: Usage | None) -> bytes:
        message = self._message(body) | {"content": [], "stop_reason": None}
        if usage:
            message["usage"] = {"input_tokens": usage.input_tokens, "output_tokens": 1}
        block = {"type": "text", "text": ""}
        thought = self._thought() if _thinks(body) else b""
        return (
            self._event({"type": "message_start", "message": message})
            + thought
            + self._event({"type": "content_block_start", "index": self.thoughts, "content_block": block})
            + self._event({"type": "ping"})
        )

    def _thought(self) -> bytes:
        self.thoughts = 1
        deltas = ({"type": "thinking_delta", "thinking": THOUGHT}, {"type": "signature_delta", "signature": SIGNATURE})
        found = self._event({"type": "content_block_start", "index": 0, "content_block": _THINKING})
        for delta in deltas:
            found += self._event({"type": "content_block_delta", "index": 0, "delta": delta})
        return found + self._event({"type": "content_block_stop", "index": 0})

    def piece(self, body: dict[str, Any], text: str) -> bytes:
        delta = {"type": "text_delta", "text": text}
        return self._event({"type": "content_block_delta", "index": self.thoughts, "delta": delta})

    def tool(self, body: dict[str, Any]) -> bytes:
        block = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
        delta = {"type": "input_json_delta", "partial_json": TOOL_JSON}
        return self._event({"type": "content_block_start", "index": 1, "content_block": block}) + self._event(
            {"type": "content_block_delta", "index": 1, "delta": delta}
        )

    def closing(self, body: dict[str, Any], usage: Usage | None, ended: bool) -> bytes:
        found = self._event({"type": "content_block_stop", "index": self.thoughts})
        if not ended:
            return found
        last: dict[str, Any] = {"type": "message_delta", "delta": {"stop_sequence": None}}
        last["delta"]["stop_reason"] = "tool_use" if self.calling else "end_turn"
        return found + self._event(last | ({"usage": {"output_tokens": usage.output_tokens}} if usage else {}))

    def last(self) -> bytes:
        return self._event({"type": "message_stop"})

    def comment(self) -> bytes:
        return _COMMENT

    def half(self) -> bytes:
        return _HALF

    def broke(self) -> bytes:
        return event(self.error(503), "error")

    def error(self, status: int) -> dict[str, Any]:
        kind = {429: "rate_limit_error", 503: "overloaded_error"}.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": _WORDS[status]}}

    def filtered(self) -> tuple[int, dict[str, Any]]:
        message = "Output blocked by content filtering policy"
        return 400, {"type": "error", "error": {"type": "invalid_request_error", "message": message}}

    def _event(self, data: Mapping[str, Any]) -> bytes:
        return event(data, str(data["type"]))

    def _message(self, body: Mapping[str, Any]) -> dict[str, Any]:
        model = str(body.get("model") or "stand-in")
        return {"id": new_id("msg"), "type": "message", "role": "assistant", "model": model, "stop_sequence": None}

    def _usage(self, usage: Usage) -> dict[str, int]:
        return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}


class GeminiDialect:
    calling = False

    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        system = body.get("systemInstruction") or {}
        turns = [{"role": "system", "content": self._text(system)}] if system else []
        for content in body.get("contents") or []:
            role = "assistant" if content.get("role") == "model" else "user"
            turns.append({"role": role, "content": self._text(content)})
        return {**body, "messages": turns}

    def whole(self, body: dict[str, Any], text: str, usage: Usage | None, ended: bool) -> dict[str, Any]:
        return self._answer([{"text": text}], usage, ended)

    def opening(self, body: dict[str, Any], usage: Usage | None) -> bytes:
        return event(self._answer([{"text": ""}], None, False))

    def piece(self, body: dict[str, Any], text: str) -> bytes:
        return event(self._answer([{"text": text}], None, False))

    def tool(self, body: dict[str, Any]) -> bytes:
        call = {"functionCall": {"name": "weather", "args": {"city": "Paris"}}}
        return event(self._answer([call], None, False)).partition(b'"Par')[0]

    def closing(self, body: dict[str, Any], usage: Usage | None, ended: bool) -> bytes:
        return event(self._answer([], usage, ended)) if usage or ended else b""

    def last(self) -> bytes:
        return b""

    def comment(self) -> bytes:
        return _COMMENT

    def half(self) -> bytes:
        return _HALF

    def broke(self) -> bytes:
        return event(self.error(503))

    def error(self, status: int) -> dict[str, Any]:
        name = {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}.get(status, "INTERNAL")
        return {"error": {"code": status, "message": _WORDS[status], "status": name}}

    def filtered(self) -> tuple[int, dict[str, Any]]:
        return 200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "stand-in"}

    def _text(self, content: Mapping[str, Any]) -> str:
        return "\n".join(str(part.get("text") or "") for part in content.get("parts") or [])

    def _answer(self, parts: list[dict[str, Any]], usage: Usage | None, ended: bool) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        found: dict[str, Any] = {"modelVersion": "stand-in", "responseId": new_id("gem")}
        found["candidates"] = [candidate | ({"finishReason": "STOP"} if ended else {})]
        if usage:
            given, got = usage.input_tokens, usage.output_tokens
            counts = {"promptTokenCount": given, "candidatesTokenCount": got, "totalTokenCount": given + got}
            found["usageMetadata"] = counts
        return found


class BedrockDialect:
    calling = False

    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        turns = [{"role": "system", "content": self._text(body["system"])}] if body.get("system") else []
        turns += [{"role": turn["role"], "content": self._text(turn["content"])} for turn in body.get("messages") or []]
        return {**body, "messages": turns}

    def whole(self, body: dict[str, Any], text: str, usage: Usage | None, ended: bool) -> dict[str, Any]:
        found: dict[str, Any] = {"output": {"message": {"role": "assistant", "content": [{"text": text}]}}}
        found |= {"metrics": {"latencyMs": 1}, "stopReason": "end_turn" if ended else None}
        return found | self._usage(usage)

    def opening(self, body: dict[str, Any], usage: Usage | None) -> bytes:
        return frame("messageStart", {"role": "assistant", "p": "abc"})

    def piece(self, body: dict[str, Any], text: str) -> bytes:
        return frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}, "p": "ab"})

    def tool(self, body: dict[str, Any]) -> bytes:
        start = {"toolUse": {"toolUseId": "tooluse_1", "name": "weather"}}
        delta = {"toolUse": {"input": TOOL_JSON}}
        return frame("contentBlockStart", {"contentBlockIndex": 1, "start": start}) + frame(
            "contentBlockDelta", {"contentBlockIndex": 1, "delta": delta}
        )

    def closing(self, body: dict[str, Any], usage: Usage | None, ended: bool) -> bytes:
        stop = frame("messageStop", {"stopReason": "tool_use" if self.calling else "end_turn"}) if ended else b""
        return frame("contentBlockStop", {"contentBlockIndex": 0}) + stop + frame("metadata", self._usage(usage))

    def last(self) -> bytes:
        return b""

    def comment(self) -> bytes:
        return frame("notInventedYet", {})

    def half(self) -> bytes:
        return frame("contentBlockDelta", {})[:20]

    def broke(self) -> bytes:
        return frame("serviceUnavailableException", self.error(503), "exception")

    def error(self, status: int) -> dict[str, Any]:
        return {"message": _WORDS[status]}

    def filtered(self) -> tuple[int, dict[str, Any]]:
        return 400, {"message": "Output blocked by content filtering policy"}

    def _text(self, blocks: list[dict[str, Any]]) -> str:
        return "\n".join(str(block.get("text") or "") for block in blocks)

    def _usage(self, usage: Usage | None) -> dict[str, Any]:
        if usage is None:
            return {}
        given, got = usage.input_tokens, usage.output_tokens
        return {"usage": {"inputTokens": given, "outputTokens": got, "totalTokens": given + got}}


def _thinks(body: Mapping[str, Any]) -> bool:
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def _logprobs(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return what a choice says of its tokens when it is asked to: a token is the whole text here."""
    if not body.get("logprobs"):
        return {}
    token = {"token": text, "logprob": -0.25, "bytes": list(text.encode()), "top_logprobs": []}
    return {"logprobs": {"content": [token], "refusal": None}}


def frame(kind: str, data: Mapping[str, Any], sort: str = "event") -> bytes:
    """Return one message of AWS's binary event stream."""
    named = {f":{sort}-type": kind, ":content-type": "application/json", ":message-type": sort}
    headers = b"".join(
        struct.pack(f">B{len(name)}sBH{len(value)}s", len(name), name.encode(), 7, len(value), value.encode())
        for name, value in named.items()
    )
    payload = json.dumps(data, ensure_ascii=False).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def dialect_of(path: str) -> tuple[Dialect, bool] | None:
    """Return the wire that a path belongs to, and whether the path alone asks for a stream."""
    if path.endswith("/chat/completions"):
        return OpenAIDialect(), False
    if path.endswith("/messages"):
        return AnthropicDialect(), False
    if path.endswith((":generateContent", ":streamGenerateContent")):
        return GeminiDialect(), path.endswith(":streamGenerateContent")
    if path.endswith(("/converse", "/converse-stream")):
        return BedrockDialect(), path.endswith("-stream")
    return None
