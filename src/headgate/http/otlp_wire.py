"""OTLP's two encodings of traces: bytes to spans and answers to bytes. Called by the route, in its threads.

A span without proper ids or times is refused and counted, and its neighbours are taken. Nothing here knows what an
attribute means.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.kernel import InvalidInput
from headgate.platform import Sent

from .bodies import decode_object
from .exchange import TooLarge

_SPANS = 50_000
_VALUES = 1_000
_DEPTH = 8
_HEX = frozenset("0123456789abcdef")
_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("UNSET", "OK", "ERROR")


@dataclass(slots=True)
class Batch:
    """The spans of one export. `count` were taken; `refused` were not, and `problem` says why the last one was not."""

    spans: list[Sent] = field(default_factory=list)
    count: int = 0
    refused: int = 0
    problem: str = ""

    def take(self, span: Sent) -> None:
        """Take a span, or refuse it. Raises TooLarge when there are too many."""
        problem = _problem(span)
        if problem:
            self.refused += 1
            self.problem = problem
            return
        self.count += 1
        if self.count > _SPANS:
            raise TooLarge(f"one export holds more than {_SPANS} spans", "send smaller batches")
        self.spans.append(span)


def _problem(span: Sent) -> str:
    if len(span.trace_id) != 32 or not span.trace_id.strip("0"):
        return "a trace id is not 16 bytes with one that is not zero"
    if len(span.span_id) != 16 or not span.span_id.strip("0"):
        return "a span id is not 8 bytes with one that is not zero"
    if len(span.parent_id) not in (0, 16):
        return "a parent's span id is not 8 bytes"
    return "" if span.start_ns > 0 else "a span has no start time"


def inflate(body: bytes, limit: int) -> bytes:
    """Undo gzip, to at most `limit` bytes. Raises InvalidInput for other bytes, TooLarge (413)."""
    unpacker = zlib.decompressobj(31)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise InvalidInput("the body is not gzip, as its content-encoding says", code="encoding") from None
    if len(plain) > limit:
        raise TooLarge(f"the body is larger than {limit // 2**20} MiB when it is unpacked", "send smaller batches")
    if not unpacker.eof:
        raise InvalidInput("the body's gzip is cut short", code="encoding")
    return plain


def decode_protobuf(body: bytes) -> Batch:
    """Decode an ExportTraceServiceRequest. Raises InvalidInput for bytes that are none."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise InvalidInput("the body is no OTLP trace export", code="invalid_protobuf") from None
    batch = Batch()
    for group in request.resource_spans:
        resource = _values(group.resource.attributes)
        for scoped in group.scope_spans:
            scope = scoped.scope.name
            for span in scoped.spans:
                batch.take(_span(span, resource, scope))
    return batch


def _span(span: Any, resource: dict[str, Any], scope: str) -> Sent:
    status = span.status if span.HasField("status") else None
    return Sent(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        status.code if status else 0,
        status.message if status else "",
        _values(span.attributes),
        [_event(event) for event in span.events] if span.events else (),
        [_link(link) for link in span.links] if span.links else (),
        resource,
        scope,
    )


def _event(event: Any) -> dict[str, Any]:
    return {"name": event.name, "at": event.time_unix_nano / 1e9, "attributes": _values(event.attributes)}


def _link(link: Any) -> dict[str, Any]:
    found = {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()}
    return {**found, "attributes": _values(link.attributes)}


def _values(pairs: Any) -> dict[str, Any]:
    """Return attributes as plain values. One walk, one access each: this is where the time of a span goes."""
    found: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        plain = value.string_value or value.int_value  # asking which one is set costs more than reading both
        found[pair.key] = plain or _value(value, value.WhichOneof("value"), 0)
        if len(found) >= _VALUES:
            break
    return found


def _value(value: Any, kind: str | None, depth: int) -> Any:
    if kind in ("double_value", "bool_value", "string_value", "int_value"):
        return getattr(value, kind)
    if kind is None or depth >= _DEPTH:
        return None
    if kind == "array_value":
        items = list(value.array_value.values)[:_VALUES]
        return [_value(item, item.WhichOneof("value"), depth + 1) for item in items]
    if kind == "kvlist_value":
        pairs = list(value.kvlist_value.values)[:_VALUES]
        return {pair.key: _value(pair.value, pair.value.WhichOneof("value"), depth + 1) for pair in pairs}
    return base64.b64encode(value.bytes_value).decode() if kind == "bytes_value" else None


def decode_json(body: bytes) -> Batch:
    """Decode OTLP/JSON: ids in hexadecimal, 64-bit integers as text or numbers, names in lowerCamelCase.

    Raises InvalidInput for anything that is not shaped like an export; unknown names are passed over.
    """
    batch = Batch()
    try:
        for group in _objects(decode_object(body), "resourceSpans"):
            resource = _named(_objects(group.get("resource") or {}, "attributes"))
            for scoped in _objects(group, "scopeSpans"):
                scope = str((scoped.get("scope") or {}).get("name", ""))
                for span in _objects(scoped, "spans"):
                    batch.take(_json_span(span, resource, scope))
    except (AttributeError, TypeError, ValueError, OverflowError) as problem:
        raise InvalidInput(f"the body is no OTLP trace export: {problem}", code="invalid_json") from None
    return batch


def _objects(value: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    found = value.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise TypeError(f"{name} is not a list of objects")
    return found


def _json_span(span: Mapping[str, Any], resource: dict[str, Any], scope: str) -> Sent:
    status = span.get("status") or {}
    return Sent(
        _hexadecimal(span.get("traceId")),
        _hexadecimal(span.get("spanId")),
        _hexadecimal(span.get("parentSpanId") or ""),
        str(span.get("name", "")),
        _enum(span.get("kind", 0), "SPAN_KIND_", _KINDS),
        int(span.get("startTimeUnixNano") or 0),
        int(span.get("endTimeUnixNano") or 0),
        _enum(status.get("code", 0), "STATUS_CODE_", _STATUSES),
        str(status.get("message", "")),
        _named(_objects(span, "attributes")),
        [_json_event(event) for event in _objects(span, "events")],
        [_json_link(link) for link in _objects(span, "links")],
        resource,
        scope,
    )


def _json_event(event: Mapping[str, Any]) -> dict[str, Any]:
    at = int(event.get("timeUnixNano") or 0) / 1e9
    return {"name": str(event.get("name", "")), "at": at, "attributes": _named(_objects(event, "attributes"))}


def _json_link(link: Mapping[str, Any]) -> dict[str, Any]:
    found = {"trace_id": _hexadecimal(link.get("traceId")), "span_id": _hexadecimal(link.get("spanId"))}
    return {**found, "attributes": _named(_objects(link, "attributes"))}


def _hexadecimal(value: Any) -> str:
    """Return an id in lower case; what is none becomes a text that no id has, and is refused with its span."""
    text = value.lower() if isinstance(value, str) else "?"
    return text if _HEX.issuperset(text) else "?"


def _enum(value: Any, prefix: str, names: tuple[str, ...]) -> int:
    if isinstance(value, str) and not value.isdigit():
        name = value.removeprefix(prefix)
        return names.index(name) if name in names else 0
    return int(value or 0)


def _named(pairs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {str(pair["key"]): _json_value(pair.get("value") or {}) for pair in list(pairs)[:_VALUES] if "key" in pair}


def _json_value(value: Mapping[str, Any]) -> Any:
    for kind, found in value.items():
        if kind == "intValue":
            return int(found)
        if kind == "doubleValue":
            return float(found)
        if kind == "arrayValue":
            return [_json_value(item) for item in _objects(found, "values")]
        if kind == "kvlistValue":
            return _named(_objects(found, "values"))
        if kind in ("stringValue", "bytesValue"):
            return str(found)
        if kind == "boolValue":
            return bool(found)
    return None


def protobuf_answer(refused: int, problem: str) -> bytes:
    """Return an ExportTraceServiceResponse: empty for whole success."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    answer = ExportTraceServiceResponse()
    if refused:
        answer.partial_success.rejected_spans = refused
        answer.partial_success.error_message = problem
    return bytes(answer.SerializeToString())


def protobuf_status(code: int, message: str) -> bytes:
    """Return a google.rpc.Status: field 1 the code, field 2 the message. Two fields need no library."""
    text = message.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    pieces = bytearray()
    while number > 127:
        pieces.append(number & 127 | 128)
        number >>= 7
    return bytes([*pieces, number])
