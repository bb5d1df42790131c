"""OpenAI's chat completions as a codec: requests out and answers in for providers, answers and errors out for edges.

Called by the `openai` provider, and through `platform` by the HTTP edge. It does no I/O and decides nothing; fields
that it does not know survive. Source: OpenAI API reference, chat completions, 2025.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.kernel import Answer, Exhausted, HeadgateError, Usage
from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.prices import output_limit
from headgate.models.sse import EventParser
from headgate.models.upstream.failures import failure

OURS = frozenset({"max_sentences", "headgate"})
"""Parameters of ours in a body, kept from foreign providers."""

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


def encode_request(
    call: Call, limit_key: str = "max_tokens", defaults: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the body to send: the call's own fields over `defaults`, model, stream, and always an output limit."""
    body = {**(defaults or {}), **{key: value for key, value in call.body.items() if key not in OURS}}
    limit = output_limit(call.body)
    body.pop("max_tokens", None)
    body.pop("max_completion_tokens", None)
    body.pop("stream_options", None)
    body |= {"model": call.model, "stream": call.stream, limit_key: limit}
    if call.stream:
        body["stream_options"] = {"include_usage": True}
    return body


def decode(data: Any, call: Call) -> tuple[str, End]:
    """Read a whole answer. Raises ProviderError when it is not one."""
    refuse_error(data)
    try:
        choice = data["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text = message.get("content") or message.get("refusal") or ""
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ProviderError("the provider's answer has no choices", code="provider_protocol", retryable=True) from None
    if not isinstance(reason, str) or not isinstance(text, str):
        raise ProviderError("the provider's answer has no end", code="provider_protocol", retryable=True)
    extra = {key: value for key, value in data.items() if key not in _KNOWN}
    extra |= _extra(message, {key: value for key, value in choice.items() if key not in _CHOICE}, data.get("usage"))
    if len(data["choices"]) > 1:
        extra["choices"] = data["choices"][1:]
    return text, End(reason, usage_of(data.get("usage"), call, text), *_model(data, call), extra=extra)


class StreamDecoder:
    """Reads the chunks of one streamed answer: text as it comes, and everything else put together for the end."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._text: list[str] = []
        self._message: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._extra: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}
        self._usage: Any = None
        self.reason: str | None = None
        self.finished = False

    def feed(self, chunk: Any) -> Delta | None:
        """Take one decoded chunk; return its text, if it has any. Raises ProviderError for an error sent mid-stream."""
        refuse_error(chunk)
        try:
            return self._feed(chunk)
        except (TypeError, AttributeError, ValueError, KeyError):
            raise ProviderError(
                "the provider sent a chunk that is none", code="provider_protocol", retryable=True
            ) from None

    def _feed(self, chunk: Any) -> Delta | None:
        self._seen |= {key: value for key in ("model", "system_fingerprint") if (value := chunk.get(key))}
        self._extra |= {key: value for key, value in chunk.items() if key not in _KNOWN}
        self._usage = chunk.get("usage") or self._usage
        text = ""
        for choice in chunk.get("choices") or []:
            if isinstance(choice, dict) and choice.get("index", 0) == 0:
                text += self._take(choice)
        return Delta(text) if text else None

    def end(self) -> End:
        """Return how it ended. Raises ProviderError when the stream stopped without a finish reason."""
        if self.reason is None:
            raise ProviderError(
                "the provider's answer stopped before its end", code="provider_protocol", retryable=not self._text
            )
        usage = usage_of(self._usage, self._call, "".join(self._text))
        extra = self._extra | _extra(self._message, self._choice, self._usage)
        return End(self.reason, usage, *_model(self._seen, self._call), extra=extra)

    def _take(self, choice: dict[str, Any]) -> str:
        delta = choice.get("delta") or {}
        reason = choice.get("finish_reason")
        self.reason = reason if reason and isinstance(reason, str) else self.reason
        for key, value in choice.items():
            if key not in ("index", "delta", "finish_reason"):
                _merge(self._choice, key, value)
        text = ""
        for key, value in delta.items():
            if key == "content" or key == "refusal":
                text += value if isinstance(value, str) else ""
            if key != "content":
                _merge(self._message, key, value)
        self._text.append(text)
        return text


def refuse_error(data: Any) -> None:
    """Raise ProviderError when `data` is an error envelope sent in the place of an answer."""
    if isinstance(data, dict) and data.get("error") and not data.get("choices"):
        raise error_of(data, None, {})


def error_of(data: Any, status: int | None, headers: Mapping[str, str]) -> ProviderError:
    """Read an error answer: what the provider says, whether trying again makes sense, and when."""
    error = data.get("error") if isinstance(data, dict) else None
    error = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else ""}
    words = " ".join(str(error.get(key) or "") for key in ("code", "type"))
    return failure(status, words, error.get("message"), headers)


def usage_of(data: Any, call: Call, text: str) -> Usage:
    """Return the provider's token counts, or an estimate (4 characters a token) that says so."""
    if isinstance(data, dict):
        counts = [data.get("prompt_tokens"), data.get("completion_tokens", 0)]
        if all(isinstance(count, int) and 0 <= count < 2**40 for count in counts):
            return Usage(int(counts[0] or 0), int(counts[1] or 0))
    messages = call.body.get("messages") or []
    return Usage(-(-sum(len(str(message)) for message in messages) // 4), -(-len(text) // 4), estimated=True)


def counted(value: Any) -> int:
    """Return a count of tokens, 0 for what is none."""
    return value if isinstance(value, int) and 0 <= value < 2**40 else 0


def completion(answer: Answer, *, model: str, created: int) -> dict[str, Any]:
    """Return the whole-answer body for a client that asked without `stream`."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    message |= dict(answer.extra.get("message") or {})
    return {
        "id": f"chatcmpl-{answer.trace_id}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(answer)}],
        "usage": usage_body(answer.usage),
        "headgate": about(answer),
    }


def chunk(trace_id: str, delta: Mapping[str, Any], *, model: str, created: int) -> dict[str, Any]:
    """Return one chunk of a streamed answer; the first delta is `{role: assistant, content: ""}`."""
    choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": None}
    return _chunk(trace_id, model, created, [choice])


def final_chunk(answer: Answer, *, model: str, created: int) -> dict[str, Any]:
    """Return the chunk that ends an answer: finish reason, and where the answer came from."""
    message = answer.extra.get("message") or {}
    delta = {key: value for key, value in message.items() if key not in ("role", "content", "refusal")}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason(answer)}
    return {**_chunk(answer.trace_id, model, created, [choice]), "headgate": about(answer)}


def usage_chunk(answer: Answer, *, model: str, created: int) -> dict[str, Any]:
    """Return the last chunk of a stream whose client asked for usage: no choices, the counts."""
    return {**_chunk(answer.trace_id, model, created, []), "usage": usage_body(answer.usage)}


def about(answer: Answer) -> dict[str, Any]:
    """Return our own field: release, trace, status, route, and the numbered sources that the answer cites."""
    cited = set(answer.citations)
    sources = [
        {"n": number, "source": passage.source, "heading": passage.heading}
        for number, passage in enumerate(answer.passages, 1)
        if passage.source in cited
    ]
    found = {"release": answer.release, "trace": answer.trace_id, "status": answer.status, "route": answer.route}
    return {**found, "sources": sources, **({"review": answer.review_id} if answer.review_id else {})}


def finish_reason(answer: Answer) -> str:
    return "content_filter" if answer.status == "blocked" else answer.finish_reason or "stop"


def usage_body(usage: Usage) -> dict[str, int]:
    total = usage.input_tokens + usage.output_tokens
    return {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens, "total_tokens": total}


def error_body(error: HeadgateError) -> dict[str, Any]:
    """Return the error envelope of this wire; the hint is part of the message."""
    money = isinstance(error, Exhausted) and error.code.startswith("budget")
    kind = "insufficient_quota" if money else _TYPES.get(error.status, "server_error")
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return {"error": {"message": message, "type": kind, "param": None, "code": error.code}}


_KNOWN = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint"})
_CHOICE = frozenset({"index", "message", "finish_reason"})


def _chunk(trace_id: str, model: str, created: int, choices: list[Any]) -> dict[str, Any]:
    head = {"id": f"chatcmpl-{trace_id}", "object": "chat.completion.chunk", "created": created, "model": model}
    return {**head, "choices": choices}


def _model(data: Mapping[str, Any], call: Call) -> tuple[str, str]:
    return str(data.get("model") or call.model), str(data.get("system_fingerprint") or "")


def _extra(message: Mapping[str, Any], choice: Mapping[str, Any], usage: Any) -> dict[str, Any]:
    """Gather what the seam has no field for, leaving out what is empty."""
    parts = {
        "message": {key: value for key, value in message.items() if key not in ("role", "content") and value},
        "choice": {key: value for key, value in choice.items() if value},
        "usage": usage,
    }
    return {key: value for key, value in parts.items() if value}


def _merge(into: dict[str, Any], key: str, value: Any) -> None:
    """Add a streamed field to what came before: text and lists grow, list entries with an `index` merge by it."""
    held = into.get(key)
    if value is None:
        return
    if isinstance(held, str) and isinstance(value, str) and key not in ("role", "id", "type", "name"):
        into[key] = held + value
    elif isinstance(held, dict) and isinstance(value, dict):
        for name, part in value.items():
            _merge(held, name, part)
    elif isinstance(held, list) and isinstance(value, list):
        _merge_entries(held, value)
    else:
        into[key] = _copied(value)


def _merge_entries(held: list[Any], value: list[Any]) -> None:
    for entry in value:
        index = entry.get("index") if isinstance(entry, dict) else None
        match = next((old for old in held if index is not None and old.get("index") == index), None)
        if match is None:
            held.append(_copied(entry))
            continue
        for name, part in entry.items():
            _merge(match, name, part)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


class OpenAIChat:
    """The codec as one object, the way the plugin door hands it out."""

    behaviour = 1
    encode_request = staticmethod(encode_request)
    decode = staticmethod(decode)
    stream = StreamDecoder
    error_of = staticmethod(error_of)
    parser = EventParser
    completion = staticmethod(completion)
    chunk = staticmethod(chunk)
    final_chunk = staticmethod(final_chunk)
    usage_chunk = staticmethod(usage_chunk)
    error_body = staticmethod(error_body)


plugin = OpenAIChat()
