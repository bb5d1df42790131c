"""OpenAI's chat completions as clients speak it to the gateway. Called by the HTTP edge, through `platform`.

The neutral body has this wire's shape, so requests pass as they are. Source: OpenAI API reference, chat, 2025.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.kernel import Answer, Exhausted, HeadgateError, Usage
from headgate.models.edge import Asked, about, calls_of, said_by
from headgate.models.sse import sse

from ._fields import param_of

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
_OURS = frozenset({"message", "choice", "choices", "usage"})
_DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.Encoder().encode


class Encoder:
    """Writes the chunks of one answer: role, text and reasoning as they pass, the rest with the finish reason."""

    __slots__ = ("_asked", "_head", "_piece", "_reasoned")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._reasoned = False
        self._head = {
            "id": f"chatcmpl-{asked.trace_id}",
            "object": "chat.completion.chunk",
            "created": asked.created,
            "model": asked.model,
        }
        # Every piece differs in its text alone: what stands before it is encoded once.
        self._piece = b"data: " + _encode(self._head)[:-1] + b',"choices":[{"index":0,"delta":{'

    def start(self) -> bytes:
        return self._said(b'"role":"assistant","content":""')

    def text(self, piece: str) -> bytes:
        return self._said(b'"content":' + _encode(piece))

    def refusal(self, piece: str) -> bytes:
        return self.text(piece)

    def reasoning(self, piece: str) -> bytes:
        self._reasoned = True
        return self._said(b'"reasoning_content":' + _encode(piece))

    def end(self, answer: Answer) -> bytes:
        message = said_by(answer)
        delta = {key: value for key, value in message.items() if key not in ("role", "content", "refusal")}
        if self._reasoned:
            delta.pop("reasoning_content", None)
        if calls := delta.get("tool_calls"):
            delta["tool_calls"] = [{**call, "index": index} for index, call in enumerate(calls)]
        rest = {"logprobs": None, **(answer.extra.get("choice") or {})}
        last = {**self._rest(answer), "choices": [_choice(0, delta, finish_reason(answer), rest)]}
        out = b"".join(sse({**self._head, "choices": [choice]}) for choice in _others(answer))
        out += sse({**self._head, **last, "headgate": about(answer)})
        options = self._asked.body.get("stream_options")
        if isinstance(options, Mapping) and options.get("include_usage") is True:
            out += sse({**self._head, "choices": [], "usage": usage_body(answer)})
        return out + _DONE

    def error(self, error: HeadgateError) -> bytes:
        return sse(error_body(error)) + _DONE

    def _said(self, delta: bytes) -> bytes:
        return self._piece + delta + b'},"logprobs":null,"finish_reason":null}]}\n\n'

    def _rest(self, answer: Answer) -> dict[str, Any]:
        return {key: value for key, value in answer.extra.items() if key not in _OURS and key not in self._head}


def completion(answer: Answer, asked: Asked) -> dict[str, Any]:
    """Return the whole-answer body for a client that asked without `stream`."""
    said = said_by(answer)
    text = answer.text or (None if said.get("tool_calls") else "")
    message = {"role": "assistant", "content": text, "refusal": None, **said}
    first = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish_reason(answer),
        **(answer.extra.get("choice") or {}),
    }
    return {
        **{key: value for key, value in answer.extra.items() if key not in _OURS},
        "id": f"chatcmpl-{answer.trace_id}",
        "object": "chat.completion",
        "created": asked.created,
        "model": asked.model,
        "choices": [first, *(answer.extra.get("choices") or ())],
        "usage": usage_body(answer),
        "headgate": about(answer),
    }


def finish_reason(answer: Answer) -> str:
    return "content_filter" if answer.status == "blocked" else answer.finish_reason or "stop"


def usage_body(answer: Answer) -> dict[str, Any]:
    """Return the counts of all calls that were made, with the details that the last provider gave."""
    usage: Usage = answer.usage
    told = answer.extra.get("usage") or {}
    details = {key: value for key, value in told.items() if key.endswith("_tokens_details") and value}
    total = usage.input_tokens + usage.output_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": total,
        **details,
    }


def error_body(error: HeadgateError) -> dict[str, Any]:
    """Return the error envelope of this wire; the hint is part of the message."""
    money = isinstance(error, Exhausted) and error.code.startswith("budget")
    usual = "invalid_request_error" if 400 <= error.status < 500 else "server_error"
    kind = "insufficient_quota" if money else _TYPES.get(error.status, usual)
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return {"error": {"message": message, "type": kind, "param": param_of(message, error), "code": error.code}}


def _choice(index: int, delta: Mapping[str, Any], reason: Any, rest: Mapping[str, Any]) -> dict[str, Any]:
    return {"index": index, "delta": dict(delta), "finish_reason": reason, **rest}


def _others(answer: Answer) -> list[dict[str, Any]]:
    """Return the chunks' choices of `n` > 1: each whole in one delta."""
    found = []
    for choice in answer.extra.get("choices") or ():
        rest = {key: value for key, value in choice.items() if key not in ("index", "message", "finish_reason")}
        delta = {key: value for key, value in (choice.get("message") or {}).items() if value is not None}
        delta["tool_calls"] = [{**call, "index": index} for index, call in enumerate(calls_of(delta))]
        if not delta["tool_calls"]:
            del delta["tool_calls"]
        found.append(_choice(choice["index"], delta, choice.get("finish_reason"), {"logprobs": None, **rest}))
    return found


class OpenAIChat:
    """The wire as one object, the way the plugin door hands it out."""

    behaviour = 1
    path = "/v1/chat/completions"
    encoder = Encoder
    completion = staticmethod(completion)
    error_body = staticmethod(error_body)

    def decode_request(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body: it has the neutral shape already."""
        return body


plugin = OpenAIChat()
