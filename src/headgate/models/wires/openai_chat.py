"""OpenAI's chat completions as a codec: requests out and answers in for providers.

Called by the `openai` and `litellm` providers. It does no I/O and decides nothing; fields that it does not know
survive. Source: OpenAI API reference, chat completions, 2025.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from headgate.kernel import Usage
from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.reach import output_limit
from headgate.models.sse import EventParser
from headgate.models.upstream.failures import failure

from ._openai_chunks import Plain, Said, answer_of, chunk_of

OURS = frozenset({"max_sentences", "headgate"})
"""Parameters of ours in a body, kept from foreign providers."""

_REASONING = ("reasoning_content", "reasoning")
"""What providers call the reasoning that they show; we say the first."""
_MAX_CHOICES = 128


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
    if type(data) is Plain:
        return _plain(data, call)
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
        extra["choices"] = [
            {**other, "index": place}
            for place, other in enumerate(data["choices"][1:], 1)
            if isinstance(other, dict) and isinstance(other.get("message"), dict)
        ]
    return text, End(reason, usage_of(data.get("usage"), call, text), *_model(data, call), extra=extra)


def _plain(data: Plain, call: Call) -> tuple[str, End]:
    """Read an answer that is text and nothing else, as `decode` would."""
    ending = data.choices[0]
    text = ending.message.content
    extra: dict[str, Any] = {"usage": data.usage} if data.usage else {}
    if data.service_tier is not UNSET:
        extra["service_tier"] = data.service_tier
    usage = usage_of(data.usage, call, text)
    return text, End(ending.finish_reason, usage, data.model or call.model, data.system_fingerprint or "", extra=extra)


class StreamDecoder:
    """Reads the chunks of one streamed answer: text as it comes, and everything else put together for the end."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._choices: dict[int, _Choice] = {0: _Choice()}
        self._extra: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}
        self._usage: Any = None
        self.reason: str | None = None
        self.finished = False

    def feed(self, chunk: Any) -> Delta | None:
        """Take one decoded chunk; return what it brought, if anything. Raises ProviderError for an error mid-stream."""
        if type(chunk) is Said:
            return self._words(chunk)
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
        found: Delta | None = None
        for choice in chunk.get("choices") or []:
            index = choice.get("index", 0)
            if index == 0:
                taken = self._choices[0].take(choice)
                if taken is not None:
                    found = found.and_then(taken) if found else taken
            elif isinstance(index, int) and 0 < index < _MAX_CHOICES:
                self._choices.setdefault(index, _Choice()).take(choice)
                found = found or Delta()
        self.reason = self._choices[0].reason
        return found

    def _words(self, chunk: Said) -> Delta | None:
        """Take a chunk that has words and nothing else, as `_feed` would."""
        if chunk.model:
            self._seen["model"] = chunk.model
        if chunk.system_fingerprint:
            self._seen["system_fingerprint"] = chunk.system_fingerprint
        if chunk.service_tier is not UNSET:
            self._extra["service_tier"] = chunk.service_tier
        if chunk.obfuscation is not UNSET:
            self._extra["obfuscation"] = chunk.obfuscation
        first, delta = self._choices[0], chunk.choices[0].delta
        return first.add(delta.content or "", delta.reasoning_content or "", False)

    def end(self) -> End:
        """Return how it ended. Raises ProviderError when the stream stopped without a finish reason."""
        first = self._choices[0]
        if self.reason is None:
            raise ProviderError(
                "the provider's answer stopped before its end",
                code="provider_protocol",
                retryable=not (first.text or first.reasoning),
            )
        others = [self._choices[index].body(index) for index in sorted(self._choices) if index]
        usage = usage_of(self._usage, self._call, "".join([*first.text, *first.reasoning, str(others or "")]))
        extra = self._extra | _extra(first.said(), first.rest, self._usage)
        if others:
            extra["choices"] = others
        return End(self.reason, usage, *_model(self._seen, self._call), extra=extra)


class _Choice:
    """One choice of a stream, put together from its deltas."""

    __slots__ = ("message", "reason", "reasoning", "rest", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.message: dict[str, Any] = {}
        self.rest: dict[str, Any] = {}
        self.reason: str | None = None

    def take(self, choice: Mapping[str, Any]) -> Delta | None:
        """Take one delta; return what it brought: None for roles, ends and emptiness."""
        delta = choice.get("delta") or {}
        reason = choice.get("finish_reason")
        self.reason = reason if reason and isinstance(reason, str) else self.reason
        for key, value in choice.items():
            if key not in ("index", "delta", "finish_reason"):
                _merge(self.rest, key, value)
        text, reasoning, more = "", "", False
        for key, value in delta.items():
            if key in ("content", "refusal"):
                text += value if isinstance(value, str) else ""
            if key in _REASONING:
                reasoning += value if isinstance(value, str) else ""
            elif key != "content":
                _merge(self.message, key, value)
                more = more or (bool(value) and key != "role")
        return self.add(text, reasoning, more, bool(delta.get("refusal")))

    def add(self, text: str, reasoning: str, more: bool, refusal: bool = False) -> Delta | None:
        """Keep what was said; return it as a delta. more: something else came with it."""
        if text:
            self.text.append(text)
        if reasoning:
            self.reasoning.append(reasoning)
        return Delta(text, reasoning, refusal) if text or reasoning or more else None

    def said(self) -> dict[str, Any]:
        """Return the message's fields other than its text."""
        return self.message | ({"reasoning_content": "".join(self.reasoning)} if self.reasoning else {})

    def body(self, index: int) -> dict[str, Any]:
        """Return the choice as an answer that is not streamed has it."""
        said = {key: value for key, value in self.said().items() if key not in ("role", "content") and value}
        message = {"role": "assistant", "content": "".join(self.text) or None, **said}
        return {"index": index, "message": message, "finish_reason": self.reason, **self.rest}


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
            given, got = int(counts[0] or 0), int(counts[1] or 0)
            # xAI, and Gemini's own layer of this wire, count what was thought in the total only.
            return Usage(given, max(got, counted(data.get("total_tokens")) - given))
    messages = call.body.get("messages") or []
    return Usage(-(-sum(len(str(message)) for message in messages) // 4), -(-len(text) // 4), estimated=True)


def counted(value: Any) -> int:
    """Return a count of tokens, 0 for what is none."""
    return value if isinstance(value, int) and 0 <= value < 2**40 else 0


_KNOWN = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint"})
_CHOICE = frozenset({"index", "message", "finish_reason"})


def _model(data: Mapping[str, Any], call: Call) -> tuple[str, str]:
    return str(data.get("model") or call.model), str(data.get("system_fingerprint") or "")


def _extra(message: Mapping[str, Any], choice: Mapping[str, Any], usage: Any) -> dict[str, Any]:
    """Gather what the seam has no field for, leaving out what is empty."""
    said = {key: value for key, value in message.items() if key not in ("role", "content") and value}
    if isinstance(other := said.get("reasoning"), str):
        said.pop("reasoning")
        said.setdefault("reasoning_content", other)
    parts = {
        "message": said,
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
    answer = staticmethod(answer_of)
    chunk = staticmethod(chunk_of)
    error_of = staticmethod(error_of)
    parser = EventParser


plugin = OpenAIChat()
