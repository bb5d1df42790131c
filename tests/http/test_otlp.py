"""`POST /v1/traces`: both encodings, gzip, what is refused and how, whose project spans land in, and idempotence."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from headgate.http.otlp_wire import decode_json, decode_protobuf, inflate, protobuf_status
from headgate.kernel import InvalidInput, Unavailable
from headgate.testing.served import Served, do

DATA = Path(__file__).parents[3] / "shared" / "data" / "fixtures" / "otlp"
PROTOBUF = "application/x-protobuf"
START = 1_700_000_000_000_000_000


def post(
    server: Served, body: bytes, kind: str = PROTOBUF, key: str = "", **headers: str
) -> tuple[int, bytes, Mapping[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    sent = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if key:
        sent["authorization"] = f"Bearer {key}"
    connection.request("POST", "/v1/traces", body, sent)
    answer = connection.getresponse()
    found = answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    connection.close()
    return found


def export(*ids: tuple[bytes, bytes], **attributes: Any) -> ExportTraceServiceRequest:
    """Build an export of one span for each (trace id, span id)."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    name = group.resource.attributes.add()
    name.key, name.value.string_value = "service.name", "shop"
    scoped = group.scope_spans.add()
    scoped.scope.name = "tests"
    for trace_id, span_id in ids:
        span = scoped.spans.add(trace_id=trace_id, span_id=span_id, name="chat gpt-4o-mini", kind=3)
        span.start_time_unix_nano, span.end_time_unix_nano = START, START + 2_000_000_000
        for key, value in attributes.items():
            pair = span.attributes.add()
            pair.key = key.replace("__", ".")
            setattr(pair.value, "int_value" if isinstance(value, int) else "string_value", value)
    return request


CALL: dict[str, Any] = {
    "gen_ai__operation__name": "chat", "gen_ai__provider__name": "openai", "gen_ai__request__model": "gpt-4o-mini",
    "gen_ai__usage__input_tokens": 1000, "gen_ai__usage__output_tokens": 10,
    "gen_ai__input__messages": '[{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]',
}  # fmt: skip


def ids() -> tuple[bytes, bytes]:
    return os.urandom(16), os.urandom(8)


def listed(server: Served, key: str = "", **query: Any) -> list[dict[str, Any]]:
    status, found, _ = server.request("POST", "/api/trace/list", {"source": "otlp", "limit": 1000, **query}, key=key)
    assert status == 200, found
    traces: list[dict[str, Any]] = found["traces"]
    return traces


def one(server: Served, trace_id: bytes, key: str = "") -> dict[str, Any] | None:
    return next((row for row in listed(server, key) if row["trace_id"] == trace_id.hex()), None)


@pytest.mark.parametrize("packed", [False, True])
def test_protobuf_is_stored_when_it_is_acknowledged(server: Served, packed: bool) -> None:
    named = ids()
    body = export(named, **CALL).SerializeToString()
    more = {"content_encoding": "gzip"} if packed else {}
    status, answer, headers = post(server, gzip.compress(body, mtime=0) if packed else body, **more)
    assert status == 200
    assert headers["content-type"] == PROTOBUF
    assert ExportTraceServiceResponse.FromString(answer) == ExportTraceServiceResponse()
    row = one(server, named[0])
    assert row is not None
    assert (row["app"], row["model"], row["cost_usd"]) == ("shop", "gpt-4o-mini", "0.000156")
    assert row["latency_ms"] == 2000
    assert row["question"] == "Why?"


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="the fixtures of shared/data are not here")
def test_the_standards_own_json_is_taken(server: Served) -> None:
    status, answer, headers = post(server, (DATA / "trace.json").read_bytes(), "application/json; charset=utf-8")
    assert (status, json.loads(answer)) == (200, {})
    assert headers["content-type"] == "application/json"
    assert one(server, bytes.fromhex("5b8efff798038103d269b633813fc60c"))


def test_both_encodings_say_the_same() -> None:
    named = ids()
    request = export(named, **CALL)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.parent_span_id = b"p" * 8
    span.status.code, span.status.message = 2, "broken"
    for key, kind, value in (("d", "double_value", 0.5), ("b", "bool_value", True), ("s", "string_value", "é")):
        pair = span.attributes.add()
        pair.key = key
        setattr(pair.value, kind, value)
    nested = span.attributes.add()
    nested.key = "n"
    nested.value.array_value.values.add().int_value = 2**62
    inner = nested.value.array_value.values.add().kvlist_value.values.add()
    inner.key, inner.value.string_value = "k", "v"
    raw = span.attributes.add()
    raw.key, raw.value.bytes_value = "raw", b"\x00\xff"
    event = span.events.add(name="said", time_unix_nano=START + 1)
    event.attributes.add(key="e").value.string_value = "x"
    span.links.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    [there] = decode_protobuf(request.SerializeToString()).spans
    [here] = decode_json(json.dumps(as_json(request)).encode()).spans
    assert there._replace(events=list(there.events), links=list(there.links)) == here
    assert here.attributes["n"] == [2**62, {"k": "v"}]
    assert here.attributes["raw"] == "AP8="


def as_json(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return an export as OTLP/JSON: protobuf's own JSON, with ids in hexadecimal instead of base64."""
    from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]

    made: dict[str, Any] = MessageToDict(request)
    spans = request.resource_spans[0].scope_spans[0].spans
    for span, told in zip(spans, made["resourceSpans"][0]["scopeSpans"][0]["spans"], strict=True):
        told |= {"traceId": span.trace_id.hex().upper(), "spanId": span.span_id.hex()}
        told |= {"parentSpanId": span.parent_span_id.hex()}
        for link, shown in zip(span.links, told.get("links", []), strict=True):
            shown |= {"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()}
    return made


def test_a_span_without_ids_or_time_is_refused_and_its_neighbours_are_taken(server: Served) -> None:
    good = ids()
    request = export(good, (b"\0" * 16, b"s" * 8), (b"short", b"s" * 8), (b"t" * 16, b""), ids(), **CALL)
    request.resource_spans[0].scope_spans[0].spans[4].start_time_unix_nano = 0
    status, answer, _ = post(server, request.SerializeToString())
    told = ExportTraceServiceResponse.FromString(answer).partial_success
    assert status == 200
    assert told.rejected_spans == 4
    assert told.error_message == "a span has no start time"
    assert one(server, good[0])
    body = json.dumps(as_json(request) | {"unknown": 1}).encode()
    status, answer, _ = post(server, body, "application/json")
    assert json.loads(answer)["partialSuccess"] == {
        "rejectedSpans": "4", "errorMessage": "a span has no start time",
    }  # fmt: skip


def test_an_export_without_spans_is_taken(server: Served) -> None:
    assert post(server, b"")[:2] == (200, b"")
    assert post(server, b"{}", "application/json")[0] == 200


def test_sent_again_is_stored_once(server: Served) -> None:
    named = ids()
    body = export(named, **CALL).SerializeToString()
    for _ in range(3):
        assert post(server, body)[0] == 200
    found = [row for row in listed(server) if row["trace_id"] == named[0].hex()]
    assert [row["cost_usd"] for row in found] == ["0.000156"]


def status_of(body: bytes) -> tuple[int, str]:
    """Read a google.rpc.Status of two short fields."""
    assert body[0] == 0x08
    assert body[2] == 0x12
    size, start = body[3], 4
    if size > 127:
        size, start = (body[3] & 127) | (body[4] << 7), 5
    return body[1], body[start : start + size].decode()


@pytest.mark.parametrize(
    ("body", "kind", "encoding", "status", "words"),
    [
        (b"\xff\xff\xff", PROTOBUF, "", 400, "no OTLP trace export"),
        (b"{", "application/json", "", 400, "not JSON"),
        (b"[]", "application/json", "", 400, "not a JSON object"),
        (b'{"resourceSpans": 5}', "application/json", "", 400, "no OTLP trace export"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": 1}]}]}]}', "application/json", "", 400, "list"),
        (b"plain", PROTOBUF, "gzip", 400, "not gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-20], PROTOBUF, "gzip", 400, "cut short"),
        (b"", PROTOBUF, "br", 415, "br"),
        (b"", "text/plain", "", 415, "text/plain"),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_clients_encoding(
    server: Served, body: bytes, kind: str, encoding: str, status: int, words: str
) -> None:
    answered, answer, headers = post(server, body, kind, **({"content_encoding": encoding} if encoding else {}))
    assert answered == status
    if kind == "application/json":
        told = json.loads(answer)
        assert told["code"] == 3
        assert words in told["message"]
    else:
        assert headers["content-type"] == PROTOBUF
        assert status_of(answer)[0] == 3
        assert words in status_of(answer)[1]


def test_a_bomb_is_refused_before_it_goes_off(server: Served) -> None:
    bomb = gzip.compress(b"\0" * (80 * 2**20), 9, mtime=0)
    assert len(bomb) < 2**20
    status, answer, _ = post(server, bomb, content_encoding="gzip")
    assert status == 413
    assert "64 MiB" in status_of(answer)[1]
    with server.raw() as connection:
        head = f"content-type: {PROTOBUF}\r\ncontent-length: {21 * 2**20}\r\nhost: localhost"
        connection.sendall(f"POST /v1/traces HTTP/1.1\r\n{head}\r\n\r\n".encode())
        assert b"413" in connection.recv(100), "a body that says it is too large is not even read"


def test_inflating_stops_at_the_limit() -> None:
    unpacker = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = unpacker.compress(b"\0" * 2**24) + unpacker.flush()
    with pytest.raises(InvalidInput, match="MiB when it is unpacked") as refused:
        inflate(bomb, 2**20)
    assert refused.value.status == 413


def test_the_status_message_is_written_by_hand_as_protobuf_would() -> None:
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

    for message in ("", "short", "é" * 100, "x" * 20_000):
        assert Status.FromString(protobuf_status(3, message)) == Status(code=3, message=message)


def test_a_key_is_needed_and_its_role_decides(locked: Served) -> None:
    body = export(ids(), **CALL).SerializeToString()
    status, answer, headers = post(locked, body)
    assert (status, status_of(answer)[0]) == (401, 16)
    assert headers["www-authenticate"] == "Bearer"
    answered = {role: post(locked, body, key=locked.keys[role])[0] for role in
                ("viewer", "app", "engineer", "reviewer", "operator", "admin")}  # fmt: skip
    assert answered == {"viewer": 403, "app": 200, "engineer": 200, "reviewer": 403, "operator": 200, "admin": 200}


def test_nothing_in_a_span_chooses_the_project(locked: Served) -> None:
    named = ids()
    request = export(named, project="other", headgate__project="other", **CALL)
    for name in ("project", "headgate.project", "tenant.id", "project_id"):
        pair = request.resource_spans[0].resource.attributes.add()
        pair.key, pair.value.string_value = name, "other"
    assert post(locked, request.SerializeToString(), key=locked.keys["app"], x_scope_orgid="other")[0] == 200
    assert one(locked, named[0], locked.keys["engineer"]), "it is in the key's own project"


def test_spans_are_on_disk_when_success_is_said(server: Served) -> None:
    named = ids()
    assert post(server, export(named, **CALL).SerializeToString())[0] == 200
    shown = do(server.root, "trace.show", {"trace_id": named[0].hex()})
    assert shown["summary"]["trace_id"] == named[0].hex()
    assert (shown["input_tokens"], shown["output_tokens"]) == (1000, 10)


def test_a_store_that_cannot_write_is_503_and_asks_to_come_again() -> None:
    import asyncio

    from headgate.http.exchange import Exchange
    from headgate.http.meters import Meters
    from headgate.http.otlp import Otlp
    from headgate.kernel import Principal
    from headgate.platform import Known

    class Broken:
        def authorise(self, principal: Principal) -> None: ...

        def records(self, principal: Principal, spans: list[Any]) -> list[Any]:
            return list(spans)

        def keep(self, records: list[Any]) -> int:
            raise Unavailable("the traces cannot be written", "the disk is full")

    sent: list[dict[str, Any]] = []
    body = export(ids()).SerializeToString()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def known(_: Exchange) -> Known:
        return Known(Principal("app", "acme", frozenset({"app"})))

    scope = {"method": "POST", "path": "/v1/traces", "headers": [(b"content-type", PROTOBUF.encode())]}
    otlp = Otlp(Broken(), Meters(lambda: 0))  # type: ignore[arg-type]
    asyncio.run(otlp.traces(Exchange(scope, receive, send), known))
    otlp.close()
    assert sent[0]["status"] == 503
    assert dict(sent[0]["headers"])[b"retry-after"] == b"1"
    assert status_of(sent[1]["body"])[0] == 14


def test_metrics_count_what_came(server: Served) -> None:
    def stored() -> float:
        _, text, _ = server.request("GET", "/metrics")
        lines = [
            line for line in str(text).splitlines() if line.startswith('headgate_spans_received_total{outcome="stored"')
        ]
        return float(lines[0].split()[-1]) if lines else 0.0

    before = stored()
    assert post(server, export(ids(), ids(), **CALL).SerializeToString())[0] == 200
    assert stored() == before + 2


def test_the_spans_of_a_batch_may_be_many_but_not_endless() -> None:
    from headgate.http.exchange import TooLarge

    empty_span = struct.pack("BB", 0x12, 0)
    spans = empty_span * 100_000
    scoped = b"\x12" + varint(len(spans)) + spans
    body = b"\x0a" + varint(len(scoped)) + scoped
    batch = decode_protobuf(body)
    assert (batch.count, batch.refused) == (0, 100_000)
    one_span = export((b"t" * 16, b"s" * 8)).resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    many = (b"\x12" + varint(len(one_span)) + one_span) * 50_001
    scoped = b"\x12" + varint(len(many)) + many
    with pytest.raises(TooLarge, match="50000"):
        decode_protobuf(b"\x0a" + varint(len(scoped)) + scoped)


def varint(number: int) -> bytes:
    pieces = bytearray()
    while number > 127:
        pieces.append(number & 127 | 128)
        number >>= 7
    return bytes([*pieces, number])
