"""One of our requests as spans in OpenTelemetry's words of today: the request, and under it each of its stages.

Called by `platform.telemetry` in the exporter's thread. Tokens and cost stand at the request alone, so that whoever
sums over spans counts them once. The conversation goes along only where the settings say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from headgate.kernel import RequestRecord

from .sent import Sent

_SERVER, _INTERNAL, _CLIENT = 2, 1, 3
_UNSET, _ERROR = 0, 2
_SCOPE = "headgate"
_encode = msgspec.json.Encoder(enc_hook=str).encode


def spans_of(record: RequestRecord, content: bool = False) -> list[Sent]:
    """Return the spans of a request, its root first. content: whether messages and answer go along.

    Ids of spans are made from the trace's id, so that a record sent twice is the same spans.
    """
    start = round(record.at * 1e6) * 1000
    resource = {"service.name": record.app, "deployment.environment.name": record.environment}
    resource = {name: value for name, value in resource.items() if value}
    root = _span_id(record.trace_id, 0)
    failed = record.status == "error"
    spans = [
        Sent(
            trace_id=record.trace_id,
            span_id=root,
            parent_id="",
            name=f"{_operation(record)} {record.model or record.app}",
            kind=_SERVER,
            start_ns=start,
            end_ns=start + record.latency_us * 1000,
            status=_ERROR if failed else _UNSET,
            message=record.reason if failed else "",
            attributes=_attributes(record) | (_conversation(record.payload) if content else {}),
            events=(),
            links=(),
            resource=resource,
            scope=_SCOPE,
        )
    ]
    for number, stage in enumerate(record.stages, 1):
        name, begun = str(stage["name"]), start + int(stage["start_us"]) * 1000
        wrong = "error" in stage["facts"]
        facts = {f"headgate.{key}": _plain(value) for key, value in stage["facts"].items()}
        attributes = {"headgate.stage": name, **facts}
        span = spans[0]._replace(
            span_id=_span_id(record.trace_id, number),
            parent_id=root,
            name=name,
            kind=_CLIENT if name == "generate" else _INTERNAL,
            start_ns=begun,
            end_ns=begun + int(stage["took_us"]) * 1000,
            status=_ERROR if wrong else _UNSET,
            message=str(stage["facts"]["error"]) if wrong else "",
            attributes=attributes,
        )
        spans.append(span)
    return spans


def _operation(record: RequestRecord) -> str:
    """Return what was done: a conversation, or rows asked of a model, for which the conventions have no word."""
    return "infer" if record.route == "infer" else "chat"


def _attributes(record: RequestRecord) -> dict[str, Any]:
    provider, slash, model = record.model.partition("/")
    if not slash or provider == "models":
        provider, model = "", record.model
    named = {
        "gen_ai.operation.name": _operation(record),
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.conversation.id": record.session,
        "user.id": record.subject,
        "error.type": record.reason if record.status == "error" else "",
        **{f"headgate.{name}": getattr(record, name) for name in _OURS},
    }
    found: dict[str, Any] = {name: value for name, value in named.items() if value}
    found["gen_ai.usage.input_tokens"] = record.input_tokens
    found["gen_ai.usage.output_tokens"] = record.output_tokens
    found["gen_ai.usage.cost"] = record.cost_nano / 1e9
    if record.first_token_us:
        found["gen_ai.response.time_to_first_chunk"] = record.first_token_us / 1e6
    if record.grounding is not None:
        found["headgate.grounding"] = record.grounding
    if reason := record.attributes.get("finish_reason"):
        found["gen_ai.response.finish_reasons"] = [str(reason)]
    return found


_OURS = ("release", "source", "route", "label", "status", "reason", "blocked_by", "attempts", "overhead_us")


def _conversation(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the masked conversation as OpenTelemetry's messages, which are JSON text on a span."""
    asked = [_message(turn["role"], turn["content"]) for turn in payload.get("messages", ())]
    found = {"gen_ai.input.messages": _encode(asked).decode()} if asked else {}
    if answer := payload.get("answer"):
        found["gen_ai.output.messages"] = _encode([_message("assistant", answer)]).decode()
    if passages := payload.get("passages"):
        listed = [{"id": item["source"], "score": item["score"], "content": item["text"]} for item in passages]
        found["gen_ai.retrieval.documents"] = _encode(listed).decode()
    return found


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | bool | int | float) else _encode(value).decode()


def _span_id(trace_id: str, number: int) -> str:
    return blake2b(f"{trace_id}:{number}".encode(), digest_size=8).hexdigest()
