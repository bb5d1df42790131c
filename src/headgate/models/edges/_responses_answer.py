"""An answer as a Response object: its items, status, usage, and the echo of what was asked. Called by the edge
`openai-responses`, for whole answers and for the ends of streams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.kernel import Answer
from headgate.models.edge import Asked, about, said_by

from ._responses_items import sealed

Object = dict[str, Any]

_OURS = frozenset({"message", "choice", "choices", "usage"})
_SAID = frozenset({
    "role", "content", "tool_calls", "refusal", "reasoning_content", "thinking_blocks", "annotations",
})  # fmt: skip
_ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": None,
    "temperature": None,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "user": None,
}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def response(answer: Answer, asked: Asked) -> Object:
    """Return the whole-answer body."""
    return finished(answer, asked, items_of(answer))


def opened(asked: Asked) -> Object:
    """Return the Response as it is before anything was said."""
    return _response(asked, "in_progress", [])


def finished(answer: Answer, asked: Asked, items: Sequence[Object]) -> Object:
    """Return the Response at its end, with the items that were given out."""
    status, reason = status_of(answer)
    rest = {key: value for key, value in answer.extra.items() if key not in _OURS}
    body = rest | _response(asked, status, items)
    body |= {"usage": usage_of(answer), "headgate": about(answer)}
    if "service_tier" in rest:
        body["service_tier"] = rest["service_tier"]
    if reason:
        body["incomplete_details"] = {"reason": reason}
    if status == "failed":
        code, _, detail = answer.reason.partition(":")
        body["error"] = {"code": "server_error", "message": detail.strip() or code or "the app could not answer"}
    return body


def status_of(answer: Answer) -> tuple[str, str]:
    """Return `completed`, `incomplete` or `failed`, and why it is incomplete."""
    if answer.status == "error":
        return "failed", ""
    reason = _INCOMPLETE.get("content_filter" if answer.status == "blocked" else answer.finish_reason, "")
    return ("incomplete" if reason else "completed"), reason


def items_of(answer: Answer) -> list[Object]:
    """Return the items of an answer in the order in which they came to be: reasoning, message, calls."""
    said, trace = said_by(answer), answer.trace_id
    items = []
    thought = said.get("reasoning_content")
    if thought or said.get("thinking_blocks"):
        texts = [thought] if isinstance(thought, str) and thought else []
        items.append(reasoning_item(trace, texts, said))
    calls = call_items(answer)
    if answer.text or not (items or calls):
        items.append(message_item(trace, _parts(answer, said), status_of(answer)[0], said))
    return items + calls


def reasoning_item(trace: str, texts: Sequence[str], said: Mapping[str, Any]) -> Object:
    """Return the item of what was thought; a provider's own blocks travel sealed, for the next request to hand back."""
    item: Object = {"id": f"rs_{trace}", "type": "reasoning", "summary": [summary_part(text) for text in texts]}
    if blocks := said.get("thinking_blocks"):
        item["encrypted_content"] = sealed(blocks)
    return item


def summary_part(text: str) -> Object:
    return {"type": "summary_text", "text": text}


def message_item(trace: str, parts: Sequence[Object], status: str, said: Mapping[str, Any]) -> Object:
    """Return the item of what was said; fields of the message that this wire has no place for stay on it."""
    rest = {key: value for key, value in said.items() if key not in _SAID}
    state = status if status in ("in_progress", "incomplete") else "completed"
    own = {"id": f"msg_{trace}", "type": "message", "role": "assistant", "status": state, "content": list(parts)}
    return rest | own


def text_part(text: str, answer: Answer | None = None) -> Object:
    """Return the part that holds the text, with its annotations and log-probabilities once the answer is known."""
    said = said_by(answer) if answer else {}
    annotations = [_annotation(one) for one in _objects(said.get("annotations"))]
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs_of(answer)}


def refusal_part(text: str) -> Object:
    return {"type": "refusal", "refusal": text}


def told_apart(answer: Answer, said: Mapping[str, Any]) -> tuple[str, str]:
    """Return the text and what of it the provider itself refused with, by its wire's own field."""
    refusal = said.get("refusal")
    if isinstance(refusal, str) and refusal and answer.text.endswith(refusal):
        return answer.text.removesuffix(refusal), refusal
    return answer.text, ""


def call_items(answer: Answer) -> list[Object]:
    """Return the calls that the model wants made."""
    found = []
    for number, call in enumerate(_objects(said_by(answer).get("tool_calls"))):
        kind = "custom" if call.get("type") == "custom" else "function"
        inner = held if isinstance(held := call.get(kind), Mapping) else {}
        known = {"call_id": str(call.get("id") or f"call_{answer.trace_id}_{number}"), "name": inner.get("name") or ""}
        if kind == "custom":
            own = {
                "id": f"ctc_{answer.trace_id}_{number}",
                "type": "custom_tool_call",
                "input": inner.get("input") or "",
            }
        else:
            own = {"id": f"fc_{answer.trace_id}_{number}", "type": "function_call", "status": "completed"}
            own["arguments"] = inner.get("arguments") or ""
        rest = {key: value for key, value in call.items() if key not in ("id", "type", "index", kind)}
        found.append(rest | own | known)
    return found


def logprobs_of(answer: Answer | None) -> list[Object]:
    """Return the log-probabilities of the text's tokens, with the fields that this wire insists on."""
    told = (answer.extra.get("choice") or {}).get("logprobs") if answer else None
    content = told.get("content") if isinstance(told, Mapping) else None
    return [{"bytes": [], "top_logprobs": [], **one} for one in _objects(content)]


def usage_of(answer: Answer) -> Object:
    """Return the counts of all calls that were made, with the details that the last provider gave."""
    told = answer.extra.get("usage") or {}
    before = {"cached_tokens": 0, "cache_write_tokens": 0} | _details(told, "prompt_tokens_details")
    after = {"reasoning_tokens": 0} | _details(told, "completion_tokens_details")
    usage = answer.usage
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": before,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": after,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _response(asked: Asked, status: str, items: Sequence[Object]) -> Object:
    body = asked.body
    echo = {name: body[name] if body.get(name) is not None else default for name, default in _ECHOED.items()}
    text, reasoning = body.get("text") or {}, body.get("reasoning") or {}
    return {
        "id": f"resp_{asked.trace_id}",
        "object": "response",
        "created_at": asked.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": asked.model,
        "output": list(items),
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None, **reasoning},
        "store": False,
        "text": {"format": {"type": "text"}, **{key: value for key, value in text.items() if value is not None}},
        "truncation": "disabled",
        "usage": None,
        **echo,
        "tools": [_tool(tool) for tool in echo["tools"]],
    }


def _tool(tool: Mapping[str, Any]) -> Object:
    wanted = {"description": None, "parameters": None, "strict": None} if tool.get("type") == "function" else {}
    return {**wanted, **tool}


def _parts(answer: Answer, said: Mapping[str, Any]) -> list[Object]:
    text, refusal = told_apart(answer, said)
    parts = [text_part(text, answer)] if text or not refusal else []
    return [*parts, refusal_part(refusal)] if refusal else parts


def _annotation(one: Mapping[str, Any]) -> Object:
    """Return a chat's annotation flat, as this wire has it."""
    inner = one.get(str(one.get("type")))
    return {"type": one.get("type"), **inner} if isinstance(inner, Mapping) else dict(one)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list that a provider sent, whatever it sent."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []


def _details(told: Mapping[str, Any], name: str) -> Object:
    found = told.get(name)
    return {key: value for key, value in found.items() if value is not None} if isinstance(found, Mapping) else {}
