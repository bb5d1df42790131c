"""Gemini's generateContent as a codec: requests out and answers in for providers.

Called by the `gemini` provider. It does no I/O and decides nothing; parameters that it does not know are sent as they
are, fields of answers that it does not know survive in `End.extra`. Source: Gemini API reference, v1beta, as of 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.kernel import new_id
from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.reach import output_limit
from headgate.models.sse import EventParser
from headgate.models.upstream.failures import broken_answer, failure, refused
from headgate.models.upstream.marks import HINTS, effort_of
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
from headgate.models.wires.openai_chat import OURS, counted, usage_of

_WHO = "Gemini"
_TRANSLATED = frozenset(
    {
        "messages", "model", "max_tokens", "max_completion_tokens", "stream", "stream_options", "stop", "tools",
        "functions", "tool_choice", "function_call", "response_format", "reasoning_effort", "n", "generationConfig",
        "temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty",
    }
)  # fmt: skip
_HINTS = frozenset(
    {
        "parallel_tool_calls", "logit_bias", "logprobs", "top_logprobs", "store", "verbosity", "prediction", "audio",
        "modalities", "prompt_cache_key", "safety_identifier", "user", "metadata", "service_tier", "thinking", *HINTS,
    }
)  # fmt: skip
"""Parameters of OpenAI's that this API refuses and that only hint: left out."""
_NUMBERS = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_REASONS = {"STOP": "stop", "MAX_TOKENS": "length"}
_FILTERED = frozenset(
    {
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
    }
)  # fmt: skip
_BROKEN = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE"})
_CHOICES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""What Google's own OpenAI layer makes of an effort for models that take a budget of thoughts (2.5 and before)."""
_LEVELS = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high"}
_KINDS = {"AUDIO": "audio_tokens", "IMAGE": "image_tokens"}
_KNOWN = frozenset({"candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId"})
_CANDIDATE = frozenset({"content", "finishReason", "index"})
_OWN_IDS = "gemini"
_MALFORMED = (KeyError, TypeError, AttributeError, ValueError, IndexError)


def encode_request(call: Call, defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body to send, always with an output limit. Raises ProviderError for what this wire cannot say."""
    with reading(_WHO):
        return _encoded(call, defaults or {})


def _encoded(call: Call, defaults: Mapping[str, Any]) -> dict[str, Any]:
    asked = {**defaults, **call.body}
    one_answer(asked, _WHO)
    body = {key: value for key, value in asked.items() if key not in _TRANSLATED | _HINTS | OURS}
    system, turns = conversation(asked, _WHO)
    body["contents"] = [content for turn in turns if (content := _content(turn))["parts"]]
    if system:
        body["systemInstruction"] = {"parts": [piece for part in system for piece in _pieces(part)]}
    body["generationConfig"] = _config(asked, call)
    if tools := tools_of(asked, _WHO):
        body["tools"] = [{"functionDeclarations": [_declared(tool.raw, tool.schema) for tool in tools]}]
        mode, name = choice_of(asked, _WHO)
        if mode:
            named = {"allowedFunctionNames": [name]} if name else {}
            body["toolConfig"] = {"functionCallingConfig": {"mode": _CHOICES[mode], **named}}
    return body


def decode(data: Any, call: Call) -> tuple[str, End]:
    """Read a whole answer. Raises ProviderError when it is not one."""
    decoder = StreamDecoder(call, numbered=False)
    delta = decoder.feed(data)
    if decoder.reason is None:
        raise broken_answer("'s answer has no end")
    return delta.text if delta else "", decoder.end()


class StreamDecoder:
    """Reads the chunks of one answer: text as it comes, and everything else put together for the end.

    numbered: calls carry the index that OpenAI's streams have.
    """

    def __init__(self, call: Call, numbered: bool = True) -> None:
        self._call = call
        self._numbered = numbered
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._message: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._extra: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._model = ""
        self.reason: str | None = None
        self.finished = False

    def feed(self, chunk: Any) -> Delta | None:
        """Take one chunk; return what it brought, if anything. Raises ProviderError for errors, blocked prompts."""
        refuse_error(chunk)
        held = len(self._thoughts), len(self._calls)
        try:
            text = self._take(chunk)
        except _MALFORMED:
            raise broken_answer(" sent a chunk that is no answer") from None
        if self.reason in _BROKEN:
            raise broken_answer(f" ended with {self.reason}", retryable=not self._text)
        if text:
            self._text.append(text)
        thoughts = "".join(self._thoughts[held[0] :])
        return Delta(text, thoughts) if text or thoughts or len(self._calls) > held[1] else None

    def end(self) -> End:
        """Return how it ended. Raises ProviderError when the stream stopped without a reason."""
        if self.reason is None:
            raise broken_answer("'s answer stopped before its end", retryable=not self._text)
        message = self._message | {"tool_calls": self._calls, "reasoning_content": "".join(self._thoughts)}
        extra = self._extra | {
            "message": {key: value for key, value in message.items() if value},
            "choice": self._choice | {"native_finish_reason": self.reason},
        }
        usage = _usage(self._usage)
        if usage:
            extra["usage"] = usage
        counts = usage_of(usage, self._call, "".join(self._text) + str(self._calls or ""))
        return End(self._finish(), counts, self._model or self._call.model, extra={k: v for k, v in extra.items() if v})

    def _finish(self) -> str:
        reason = self.reason or ""
        if reason in _FILTERED:
            return "content_filter"
        if self._calls and reason == "STOP":
            return "tool_calls"
        return _REASONS.get(reason, reason.lower())

    def _take(self, chunk: Any) -> str:
        self._model = str(chunk.get("modelVersion") or self._model)
        self._usage |= chunk.get("usageMetadata") or {}
        self._extra |= {key: value for key, value in chunk.items() if key not in _KNOWN}
        blocked = (chunk.get("promptFeedback") or {}).get("blockReason")
        if blocked and not chunk.get("candidates"):
            raise ProviderError(f"the provider refused the prompt: {blocked}", code="content_filter")
        text = ""
        for candidate in (chunk.get("candidates") or [])[:1]:
            for part in (candidate.get("content") or {}).get("parts") or []:
                text += self._piece(part)
            self.reason = str(candidate.get("finishReason") or "") or self.reason
            self._choice |= {key: value for key, value in candidate.items() if key not in _CANDIDATE and value}
        return text

    def _piece(self, part: Mapping[str, Any]) -> str:
        """Take one part; return its text when it is said aloud."""
        signature = part.get("thoughtSignature")
        if call := part.get("functionCall"):
            self._called(call, signature)
            return ""
        if signature:
            self._message["extra_content"] = {"google": {"thought_signature": signature}}
        text = part.get("text")
        if isinstance(text, str):
            if not part.get("thought"):
                return text
            self._thoughts.append(text)
        elif text is not None:
            raise TypeError
        elif part.keys() - {"thoughtSignature", "thought"}:
            self._message.setdefault("content_blocks", []).append(dict(part))
        return ""

    def _called(self, call: Mapping[str, Any], signature: Any) -> None:
        function = {"name": call["name"], "arguments": msgspec.json.encode(call.get("args") or {}).decode()}
        found = {"id": str(call.get("id") or new_id(_OWN_IDS)), "type": "function", "function": function}
        if signature:
            # The name that Google's own OpenAI layer gives it; the API wants it back with the call.
            found["extra_content"] = {"google": {"thought_signature": signature}}
        self._calls.append({"index": len(self._calls), **found} if self._numbered else found)


def refuse_error(data: Any) -> None:
    """Raise ProviderError for an error sent in the place of an answer or of a chunk."""
    if isinstance(_unlisted(data), dict) and isinstance(_unlisted(data).get("error"), dict):
        raise error_of(data, None, {})


def error_of(data: Any, status: int | None, headers: Mapping[str, str]) -> ProviderError:
    """Read an error answer: what the provider says, whether trying again makes sense, and when."""
    data = _unlisted(data)
    error = data.get("error") if isinstance(data, dict) else None
    error = error if isinstance(error, dict) else {}
    details = [entry for entry in error.get("details") or [] if isinstance(entry, dict)]
    words = " ".join([str(error.get("status") or ""), *(str(entry.get("reason") or "") for entry in details)])
    delays = [str(entry["retryDelay"]) for entry in details if entry.get("retryDelay")]
    return failure(status, words, error.get("message"), headers, _seconds(delays[0]) if delays else None)


def _unlisted(data: Any) -> Any:
    """Errors of the streaming method may come in a list of one."""
    return data[0] if isinstance(data, list) and len(data) == 1 else data


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        return None
    return min(seconds, 3600.0) if seconds >= 0 else None


def _content(turn: Turn) -> dict[str, Any]:
    role = "model" if turn.role == "assistant" else "user"
    return {"role": role, "parts": [piece for part in turn.parts for piece in _pieces(part)]}


def _pieces(part: Part) -> list[dict[str, Any]]:
    """Return a part in this wire's words; what another provider thought is left out."""
    match part.kind:
        case "text":
            return [{"text": part.text}]
        case "thought":
            return []
        case "call":
            return [_call(part)]
        case "result":
            media = [piece for inner in part.parts if inner.kind != "text" for piece in _pieces(inner)]
            answer = {"name": part.name, "response": _response(part.text)} | _id(part)
            return [{"functionResponse": answer}, *media]
    if part.url:
        return [{"fileData": {"fileUri": part.url, "mimeType": _guessed(part)}}]
    return [{"inlineData": {"mimeType": part.mime, "data": part.data}}]


def _call(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = {"functionCall": {"name": part.name, "args": part.value} | _id(part)}
    google = (part.raw.get("extra_content") or {}).get("google") or {}
    if signature := google.get("thought_signature"):
        found["thoughtSignature"] = signature
    return found


def _id(part: Part) -> dict[str, str]:
    """Return the call's id, unless it is one that we made up because there was none."""
    return {} if not part.id or part.id == part.name or part.id.startswith(f"{_OWN_IDS}_") else {"id": part.id}


def _response(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        found = None
    return found if isinstance(found, dict) else {"result": text}


def _guessed(part: Part) -> str:
    import mimetypes

    guess = mimetypes.guess_type(part.url.partition("?")[0])[0] or ""
    # A film is no picture: it costs what no limit has counted on, and the app may not take it.
    return guess if part.kind != "image" or guess.startswith("image/") else "image/jpeg"


def _declared(raw: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    found = {"name": raw["name"], "parametersJsonSchema": schema}
    return found | ({"description": raw["description"]} if raw.get("description") else {})


def _config(asked: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Return the generation settings: those sent in this wire's words, with ours over them."""
    found = dict(asked.get("generationConfig") or {})
    if any(found.get(name) not in (None, ["TEXT"]) for name in ("responseModalities", "response_modalities")):
        raise refused(f"{_WHO} answers in text only here", "leave out responseModalities")
    for bounded in ("candidateCount", "candidate_count", "max_output_tokens"):
        found.pop(bounded, None)
    found |= {name: asked[key] for key, name in _NUMBERS.items() if asked.get(key) is not None}
    found["maxOutputTokens"] = output_limit(call.body)
    if stops := stops_of(asked):
        found["stopSequences"] = stops
    form, schema = schema_of(asked, _WHO)
    if form != "text":
        found["responseMimeType"] = "application/json"
    if schema is not None:
        found["responseJsonSchema"] = schema
    effort = asked.get("reasoning_effort") or effort_of(asked.get("thinking"))
    if effort in _BUDGETS and "thinkingConfig" not in found:
        budgeted = call.model.rpartition("/")[2].startswith(("gemini-2", "gemini-1"))
        thinking = {"thinkingBudget": _BUDGETS[effort]} if budgeted else {"thinkingLevel": _LEVELS[effort]}
        found["thinkingConfig"] = thinking
    return found


def _usage(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts in OpenAI's words beside Gemini's own, which leave thoughts out of the answer's."""
    if not counted(raw.get("promptTokenCount")):
        return {}
    given = counted(raw["promptTokenCount"]) + counted(raw.get("toolUsePromptTokenCount"))
    thought = counted(raw.get("thoughtsTokenCount"))
    got = counted(raw.get("candidatesTokenCount")) + thought
    found = {**raw, "prompt_tokens": given, "completion_tokens": got, "total_tokens": given + got}
    found["prompt_tokens_details"] = {"cached_tokens": counted(raw.get("cachedContentTokenCount"))} | _of_kinds(
        raw.get("promptTokensDetails")
    )
    said = {"reasoning_tokens": thought} | _of_kinds(raw.get("candidatesTokensDetails"))
    return found | {"completion_tokens_details": said}


def _of_kinds(details: Any) -> dict[str, int]:
    """Return how many of the tokens are audio or pictures, which may have prices of their own."""
    found: dict[str, int] = {}
    for one in details if isinstance(details, list) else ():
        name = _KINDS.get(str(one.get("modality"))) if isinstance(one, dict) else None
        if name and (count := counted(one.get("tokenCount"))):
            found[name] = found.get(name, 0) + count
    return found


class GeminiContents:
    """The codec as one object, the way the plugin door hands it out."""

    behaviour = 1
    encode_request = staticmethod(encode_request)
    decode = staticmethod(decode)
    stream = StreamDecoder
    answer = chunk = staticmethod(msgspec.json.Decoder().decode)
    error_of = staticmethod(error_of)
    parser = EventParser


plugin = GeminiContents()
