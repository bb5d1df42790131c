"""Our requests handed on: what a collector gets, and that a slow, broken or dead one costs a request nothing."""

from __future__ import annotations

import gzip
import http.server
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from headgate.kernel import InvalidInput, RequestRecord
from headgate.observe import spans_of, translate
from headgate.platform import Exporter, Finding, examine, read_settings
from headgate.platform.telemetry import encode, exporter_of
from headgate.platform.telemetry.exporter import CAPACITY

RECORD = RequestRecord(
    trace_id="a" * 32, project="acme", at=1_700_000_000.123456, app="support", environment="prod",
    release="sha256:" + "b" * 64, source="live", route="faq", label="returns", model="lab/gpt-4o-mini",
    status="answered", reason="", session="s-1", input_tokens=120, output_tokens=30, cost_nano=123_456_789,
    latency_us=1_234_567, first_token_us=200_000, attempts=1, grounding=0.75,
    stages=({"name": "route", "start_us": 10, "took_us": 20, "facts": {"label": "returns", "confidence": 0.9}},
            {"name": "generate", "start_us": 40, "took_us": 90, "facts": {"error": "provider_timeout"}}),
    payload={"messages": [{"role": "user", "content": "Why?"}], "answer": "Because.",
             "passages": [{"source": "a.md", "heading": "", "text": "as it is", "score": 0.5, "digest": ""}]},
    attributes={"finish_reason": "stop"},
)  # fmt: skip


def record(number: int) -> RequestRecord:
    return replace(RECORD, trace_id=f"{number + 1:032x}")


@dataclass
class Collector:
    """A collector on loopback that answers as it is told and keeps what it took."""

    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    taken: list[Any] = field(default_factory=list)
    asked: int = 0
    seen: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def traces(self) -> list[str]:
        return [span.trace_id.hex() for span in self.taken if not span.parent_span_id]


@contextmanager
def collecting(*statuses: int, **headers: str) -> Iterator[Collector]:
    found = Collector(list(statuses), headers)

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = found.statuses[found.asked] if found.asked < len(found.statuses) else 200
            found.asked += 1
            found.seen.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
            if status == 200:
                for group in ExportTraceServiceRequest.FromString(gzip.decompress(body)).resource_spans:
                    found.taken += [span for scoped in group.scope_spans for span in scoped.spans]
            self.send_response(status)
            self.send_header("content-length", "0")
            for name, value in found.headers.items() if status != 200 else ():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    found.port = server.server_port
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_request_goes_out_and_comes_in_the_same() -> None:
    [root, *stages] = translate(spans_of(RECORD, content=True), "acme", str)
    assert f"{root.provider}/{root.model}" == RECORD.model
    assert (root.input_tokens, root.output_tokens, root.cost_nano) == (120, 30, 123_456_789)
    assert (root.took_us, root.service, root.environment) == (1_234_567, "support", "prod")
    assert (root.session, root.operation, root.parent_id) == ("s-1", "chat", "")
    assert abs(root.at - RECORD.at) < 1e-6
    assert root.payload["messages"] == RECORD.payload["messages"]
    assert root.payload["answer"] == "Because."
    assert root.payload["passages"][0]["text"] == "as it is"
    assert [(stage.name, stage.parent_id, stage.took_us) for stage in stages] == [
        ("route", root.span_id, 20), ("generate", root.span_id, 90),
    ]  # fmt: skip
    assert stages[1].status == "error"
    assert not any(stage.input_tokens or stage.cost_nano for stage in stages), "tokens and cost count once"
    assert spans_of(RECORD) == spans_of(RECORD), "the same request is the same spans"


def test_conversations_stay_here_unless_asked_for() -> None:
    assert b"Because." in encode(spans_of(RECORD, content=True))
    assert b"Because." not in encode(spans_of(RECORD))
    assert b"Why?" not in encode(spans_of(RECORD))


def test_rows_asked_of_a_model_are_no_chat() -> None:
    asked = replace(RECORD, route="infer", model="models/router@0123456789ab")
    root = spans_of(asked)[0]
    assert root.name == "infer models/router@0123456789ab"
    assert root.attributes["gen_ai.operation.name"] == "infer"


def test_a_collector_gets_every_request_once() -> None:
    with collecting() as collector:
        exporter = Exporter(f"http://127.0.0.1:{collector.port}", {"x-key": "secret"})
        for number in range(600):
            exporter.record(record(number))
        exporter.close()
        assert sorted(collector.traces) == [f"{number + 1:032x}" for number in range(600)]
        assert (exporter.sent, exporter.dropped) == (600, 0)
        assert collector.seen[0]["x-key"] == "secret"
        assert collector.seen[0]["path"] == "/v1/traces"
        assert collector.seen[0]["content-encoding"] == "gzip"


@pytest.mark.parametrize("status", [429, 503])
def test_a_collector_that_is_busy_is_asked_again(status: int) -> None:
    with collecting(status, status, retry_after="0") as collector:
        exporter = Exporter(f"http://127.0.0.1:{collector.port}/otlp/v1/traces", {})
        exporter.record(record(1))
        assert wait_for(lambda: exporter.sent == 1)
        exporter.close()
        assert (collector.asked, exporter.dropped) == (3, 0)
        assert collector.seen[0]["path"] == "/otlp/v1/traces"


def test_what_a_collector_refuses_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    with collecting(400) as collector:
        exporter = Exporter(f"http://127.0.0.1:{collector.port}", {"authorization": "Bearer very-secret"})
        exporter.record(record(1))
        assert wait_for(lambda: exporter.dropped == 1)
        exporter.close()
        assert collector.asked == 1
    assert "did not take traces" in caplog.text
    assert all("very-secret" not in repr(entry.__dict__) for entry in caplog.records)


@pytest.mark.slow
def test_a_dead_collector_costs_neither_memory_nor_latency() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    exporter = Exporter(f"http://127.0.0.1:{port}", {}, content=True)
    big = replace(RECORD, payload={"messages": [{"role": "user", "content": "x" * 8000}] * 10, "answer": "y" * 8000})
    took = []
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(20_000):
        sent = replace(big, trace_id=f"{number + 1:032x}")
        began = time.perf_counter()
        exporter.record(sent)
        took.append(time.perf_counter() - began)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    began = time.monotonic()
    exporter.close()
    assert time.monotonic() - began < 8
    assert exporter.dropped == 20_000, "everything is accounted for"
    assert exporter.sent == 0
    assert grown < 24 * 2**20
    assert sorted(took)[len(took) // 2] < 100e-6


def test_a_silent_collector_holds_nothing_up() -> None:
    class Silent:
        def __enter__(self) -> int:
            import socket

            self.listener = socket.create_server(("127.0.0.1", 0))
            return int(self.listener.getsockname()[1])

        def __exit__(self, *_: object) -> None:
            self.listener.close()

    with Silent() as port:
        exporter = Exporter(f"http://127.0.0.1:{port}", {})
        for number in range(CAPACITY + 1000):
            exporter.record(record(number))
        assert exporter.dropped >= 1000 - 256
        began = time.monotonic()
        exporter.close()
        assert time.monotonic() - began < 8


def test_settings_name_the_collector_and_its_headers() -> None:
    assert exporter_of(read_settings({}).telemetry) is None
    given = {"HEADGATE_OTLP_ENDPOINT": "http://localhost:4318", "HEADGATE_OTLP_HEADERS": "X-Key=a%2Cb, team = shop"}
    settings = read_settings(given)
    assert "a%2Cb" not in repr(settings)
    exporter = exporter_of(settings.telemetry)
    assert exporter is not None
    exporter.close()
    for wrong in ({"HEADGATE_OTLP_ENDPOINT": "localhost:4318"}, {**given, "HEADGATE_OTLP_HEADERS": "no-value"}):
        with pytest.raises(InvalidInput, match="HEADGATE_OTLP"):
            exporter_of(read_settings(wrong).telemetry)


def test_doctor_says_whether_the_collector_answers(tmp_path: Path) -> None:
    (tmp_path / "headgate.yaml").write_text("headgate: 1\nproject: acme\nenvironments: {dev: {}}\n", encoding="utf-8")

    def finding(port: int) -> Finding:
        settings = read_settings({"HEADGATE_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"})
        return next(found for found in examine(tmp_path, settings) if found.name == "collector")

    with collecting() as collector:
        assert finding(collector.port).ok
        assert "answers; 0 requests sent, 0 dropped" in finding(collector.port).found
        port = collector.port
    assert finding(port).ok is False
    assert "does not answer" in finding(port).found
    assert not [found for found in examine(tmp_path, read_settings({})) if found.name == "collector"]
