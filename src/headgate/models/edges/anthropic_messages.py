"""Anthropic's messages as clients speak it to the gateway. Called by the HTTP edge, through `platform`.

Requests become neutral bodies in `_anthropic_request`, answers are written here, whole and streamed. Source: Anthropic
API reference, messages, streaming and errors, version 2023-06-01, as of 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.kernel import Answer, Exhausted, HeadgateError
from headgate.models.edge import Asked, about
from headgate.models.sse import sse

from ._anthropic_answer import (
    arguments_text,
    calls_of,
    message_of,
    rest_of,
    stop_of,
    text_of,
    thoughts_of,
    usage_of,
)
from ._anthropic_request import count, decode_request
from ._fields import renamed

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "request_too_large",
    415: "invalid_request_error",
    421: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OVERLOADED = frozenset({"queue_full", "queue_timeout", "overloaded", "busy", "stopping"})
"""Codes of errors that say: not now. Their status stays 503, which the official clients retry as they do 529."""
_PING = sse({"type": "ping"}, "ping")
_STOP = sse({"type": "message_stop"}, "message_stop")
_encode = msgspec.json.Encoder().encode


class Encoder:
    """Writes the events of one answer: thoughts and text as they pass, calls of tools at the end.

    One block is open at a time, unless the client asked for thinking: then the block of thought stays open beside the
    text, because its signature is known only at the end. Deltas and stops name their block by index, as all do.
    """

    __slots__ = ("_asked", "_blocks", "_ended", "_heads", "_open", "_signs", "_streamed")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._blocks = 0
        self._open: dict[str, int] = {}
        self._heads: dict[str, bytes] = {}
        self._streamed: set[str] = set()
        self._ended = False
        thinking = asked.body.get("thinking")
        self._signs = isinstance(thinking, Mapping) and thinking.get("type") != "disabled"

    def start(self) -> bytes:
        usage = {"input_tokens": 0, "output_tokens": 0}
        message = {**_head(self._asked), "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        return sse({"type": "message_start", "message": message}, "message_start") + _PING

    def text(self, piece: str) -> bytes:
        return self._grown("text", "text_delta", piece)

    def refusal(self, piece: str) -> bytes:
        return self.text(piece)

    def reasoning(self, piece: str) -> bytes:
        return self._grown("thinking", "thinking_delta", piece)

    def end(self, answer: Answer) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        message = message_of(answer)
        out = self._thoughts(thoughts_of(message)) + self._text(text_of(answer, message))
        out += b"".join(self._whole(block) for block in calls_of(message, answer.trace_id))
        rest = rest_of(answer)
        delta = stop_of(answer, message)
        delta |= {key: rest.pop(key) for key in ("container", "stop_details") if key in rest}
        last = {**rest, "type": "message_delta", "delta": delta, "usage": usage_of(answer), "headgate": about(answer)}
        return out + sse(last, "message_delta") + _STOP

    def error(self, error: HeadgateError) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        return sse({**error_body(error), "request_id": self._asked.trace_id}, "error")

    def _grown(self, kind: str, delta: str, piece: str) -> bytes:
        """Return a piece of a block, and before the first one what opens the block."""
        if not piece or self._ended:
            return b""
        if (head := self._heads.get(kind)) is not None:
            return head + _encode(piece) + b"}}\n\n"
        closed = b"" if self._signs else self._closed()
        index = self._blocks
        begun = closed + self._begun({"type": kind, kind: "", **({} if kind == "text" else {"signature": ""})})
        self._open[kind] = index
        self._streamed.add(kind)
        # Every piece differs in its text alone: what stands before it is encoded once.
        opened = _encode({"type": "content_block_delta", "index": index, "delta": {"type": delta}})[:-2]
        head = b"event: content_block_delta\ndata: " + opened + b',"' + kind.encode() + b'":'
        self._heads[kind] = head
        return begun + head + _encode(piece) + b"}}\n\n"

    def _thoughts(self, blocks: list[dict[str, Any]]) -> bytes:
        """Return the end of the thoughts that were streamed: the signature of an open block, else the signed ones."""
        if "thinking" not in self._streamed:
            return b"".join(self._whole(block) for block in blocks)
        out, index = b"", self._open.pop("thinking", None)
        if index is not None:
            texts = [block for block in blocks if block["type"] == "thinking"]
            if len(texts) == 1 and texts[0]["signature"]:
                out = _delta(index, {"type": "signature_delta", "signature": texts[0]["signature"]})
                blocks = [block for block in blocks if block is not texts[0]]
            out += _stopped(index)
        return out + b"".join(self._whole(block) for block in blocks if block.get("signature") or block.get("data"))

    def _text(self, block: dict[str, Any] | None) -> bytes:
        if "text" not in self._streamed:
            return self._whole(block) if block is not None else b""
        index = self._open.pop("text", None)
        if index is None:
            return b""
        cited = (block or {}).get("citations") or ()
        return b"".join(_delta(index, {"type": "citations_delta", "citation": one}) for one in cited) + _stopped(index)

    def _whole(self, block: dict[str, Any]) -> bytes:
        """Return a block that was not streamed: begun empty, filled by deltas, and stopped."""
        index, empty = self._blocks, dict(block)
        deltas: list[dict[str, Any]] = []
        match block["type"]:
            case "text":
                deltas = [{"type": "text_delta", "text": block["text"]}]
                deltas += [{"type": "citations_delta", "citation": one} for one in block["citations"] or ()]
                empty = {"type": "text", "text": ""}
            case "thinking":
                deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}] if block["thinking"] else []
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
                empty = {"type": "thinking", "thinking": "", "signature": ""}
            case "tool_use":
                deltas = [{"type": "input_json_delta", "partial_json": arguments_text(block)}]
                empty = {**block, "input": {}}
        return self._begun(empty) + b"".join(_delta(index, delta) for delta in deltas) + _stopped(index)

    def _closed(self) -> bytes:
        stops = b"".join(map(_stopped, self._open.values()))
        self._open.clear()
        self._heads.clear()
        return stops

    def _begun(self, block: dict[str, Any]) -> bytes:
        index, self._blocks = self._blocks, self._blocks + 1
        event = {"type": "content_block_start", "index": index, "content_block": block}
        return sse(event, "content_block_start")


def completion(answer: Answer, asked: Asked) -> dict[str, Any]:
    """Return the whole-answer body: a message of thoughts, text, and calls of tools."""
    message = message_of(answer)
    text = text_of(answer, message)
    said = [text] if text is not None else []
    return {
        **rest_of(answer),
        **_head(asked),
        "content": [*thoughts_of(message), *said, *calls_of(message, answer.trace_id)],
        **stop_of(answer, message),
        "usage": usage_of(answer),
        "headgate": about(answer),
    }


def error_body(error: HeadgateError) -> dict[str, Any]:
    """Return the error envelope of this wire; the hint is part of the message, our code is `details.error_code`."""
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    if error.code == "not_accepted":  # counted behind this wire, where system and results are messages of their own
        message = renamed(message, "messages")
    return {"type": "error", "error": {"type": _kind(error), "message": message, "details": {"error_code": error.code}}}


def _kind(error: HeadgateError) -> str:
    if isinstance(error, Exhausted) and error.code.startswith("budget"):
        return "billing_error"
    if error.status == 503 and error.code in _OVERLOADED:
        return "overloaded_error"
    return _TYPES.get(error.status, "api_error")


def _head(asked: Asked) -> dict[str, Any]:
    return {"id": f"msg_{asked.trace_id}", "type": "message", "role": "assistant", "model": asked.model}


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return sse({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")


def _stopped(index: int) -> bytes:
    return sse({"type": "content_block_stop", "index": index}, "content_block_stop")


class AnthropicMessages:
    """The wire as one object, the way the plugin door hands it out. `count`: the estimate of `count_tokens`."""

    behaviour = 1
    path = "/v1/messages"
    encoder = Encoder
    decode_request = staticmethod(decode_request)
    completion = staticmethod(completion)
    error_body = staticmethod(error_body)
    count = staticmethod(count)


plugin = AnthropicMessages()
