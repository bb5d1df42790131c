"""How the stand-in server speaks the wires of providers: OpenAI's chat, Anthropic's messages, Gemini's contents.

Called by `upstream`, which decides what is said and what goes wrong. A dialect says it: whole, or as events.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Protocol

from headgate.kernel import Usage, new_id

_WORDS = {429: "slow down", 500: "broken", 503: "overloaded"}
TOOL_JSON = '{"city": "Par'


class Dialect(Protocol):
    """One wire. `usage` and `ended` are left out by faults."""

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

    def error(self, status: int) -> dict[str, Any]: ...

    def filtered(self) -> tuple[int, dict[str, Any]]:
        """Return how a prompt is refused for its content."""
        ...


def event(data: Mapping[str, Any], name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


class OpenAIDialect:
    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        return body

    def whole(self, body: dict[str, Any], text: str, usage: Usage | None, ended: bool) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop" if ended else None}
        return self._head(body, "chat.completion") | {"choices": [choice]} | self._usage(usage)

    def opening(self, body: dict[str, Any], usage: Usage | None) -> bytes:
        return self._event(body, {"role": "assistant", "content": ""})

    def piece(self, body: dict[str, Any], text: str) -> bytes:
        return self._event(body, {"content": text})

    def tool(self, body: dict[str, Any]) -> bytes:
        function = {"name": "weather", "arguments": TOOL_JSON}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        return self._event(body, {"tool_calls": [call]})

    def closing(self, body: dict[str, Any], usage: Usage | None, ended: bool) -> bytes:
        found = self._event(body, {}, "stop") if ended else b""
        if usage and (body.get("stream_options") or {}).get("include_usage"):
            found += event(self._head(body, "chat.completion.chunk") | {"choices": []} | self._usage(usage))
        return found

    def last(self) -> bytes:
        return b"data: [DONE]\n\n"

    def error(self, status: int) -> dict[str, Any]:
        kind = "rate_limit_error" if status == 429 else "server_error"
        return {"error": {"message": _WORDS[status], "type": kind}}

    def filtered(self) -> tuple[int, dict[str, Any]]:
        return 400, {"error": {"message": "filtered", "code": "content_filter"}}

    def _event(self, body: Mapping[str, Any], delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
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
    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
        return {**body, "messages": system + list(body.get("messages") or [])}

    def whole(self, body: dict[str, Any], text: str, usage: Usage | None, ended: bool) -> dict[str, Any]:
        reason = "end_turn" if ended else None
        found = self._message(body) | {"content": [{"type": "text", "text": text}], "stop_reason": reason}
        return found | ({"usage": self._usage(usage)} if usage else {})

    def opening(self, body: dict[str, Any], usage: Usage | None) -> bytes:
        message = self._message(body) | {"content": [], "stop_reason": None}
        if usage:
            message["usage"] = {"input_tokens": usage.input_tokens, "output_tokens": 1}
        block = {"type": "text", "text": ""}
        return (
            self._event({"type": "message_start", "message": message})
            + self._event({"type": "content_block_start", "index": 0, "content_block": block})
            + self._event({"type": "ping"})
        )

    def piece(self, body: dict[str, Any], text: str) -> bytes:
        delta = {"type": "text_delta", "text": text}
        return self._event({"type": "content_block_delta", "index": 0, "delta": delta})

    def tool(self, body: dict[str, Any]) -> bytes:
        block = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
        delta = {"type": "input_json_delta", "partial_json": TOOL_JSON}
        return self._event({"type": "content_block_start", "index": 1, "content_block": block}) + self._event(
            {"type": "content_block_delta", "index": 1, "delta": delta}
        )

    def closing(self, body: dict[str, Any], usage: Usage | None, ended: bool) -> bytes:
        found = self._event({"type": "content_block_stop", "index": 0})
        if not ended:
            return found
        last: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
        return found + self._event(last | ({"usage": {"output_tokens": usage.output_tokens}} if usage else {}))

    def last(self) -> bytes:
        return self._event({"type": "message_stop"})

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


def dialect_of(path: str) -> tuple[Dialect, bool] | None:
    """Return the wire that a path belongs to, and whether the path alone asks for a stream."""
    if path.endswith("/chat/completions"):
        return OpenAIDialect(), False
    if path.endswith("/messages"):
        return AnthropicDialect(), False
    if path.endswith((":generateContent", ":streamGenerateContent")):
        return GeminiDialect(), path.endswith(":streamGenerateContent")
    return None
