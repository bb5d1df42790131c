"""Spans as an OTLP export in protobuf. Called by the exporter's thread; the way in is the HTTP edge's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headgate.observe import Sent


def encode(spans: Iterable[Sent]) -> bytes:
    """Return an ExportTraceServiceRequest; spans of one resource and scope stand together."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    groups: dict[tuple[str, ...], Any] = {}
    for span in spans:
        key = (span.scope, *(f"{name}={value}" for name, value in span.resource.items()))
        group = groups.get(key)
        if group is None:
            resource = request.resource_spans.add()
            _fill(resource.resource.attributes, span.resource)
            group = groups[key] = resource.scope_spans.add()
            group.scope.name = span.scope
        _one(group.spans.add(), span)
    return bytes(request.SerializeToString())


def _one(message: Any, span: Sent) -> None:
    message.trace_id, message.span_id = bytes.fromhex(span.trace_id), bytes.fromhex(span.span_id)
    message.parent_span_id = bytes.fromhex(span.parent_id)
    message.name, message.kind = span.name, span.kind
    message.start_time_unix_nano, message.end_time_unix_nano = span.start_ns, span.end_ns
    if span.status:
        message.status.code, message.status.message = span.status, span.message
    _fill(message.attributes, span.attributes)


def _fill(attributes: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        pair = attributes.add()
        pair.key = name
        _set(pair.value, value)


def _set(target: Any, value: Any) -> None:
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, list | tuple):
        for item in value:
            _set(target.array_value.values.add(), item)
    else:
        target.string_value = str(value).encode("utf-8", "replace").decode()
