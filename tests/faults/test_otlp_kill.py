"""A server killed at random moments while spans are sent to it: whatever it acknowledged is there, once (P3)."""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests import forked

from headgate.platform import plain_environment
from headgate.store import Spans

ROUNDS = 30
SENDERS = 4
SPANS = 50
Names = list[tuple[str, str]]
SERVER = ("headgate.cli", "headgate.http", "headgate.ui", "headgate.platform")


class Sending:
    """Several clients that export batches, keep what was acknowledged, and send again what was not."""

    def __init__(self) -> None:
        self.acknowledged: list[Names] = []
        self.open: list[tuple[bytes, Names]] = []
        self.lock = threading.Lock()
        self.sent_again = 0

    def batch(self) -> tuple[bytes, Names]:
        """Return a batch that nobody acknowledged, or a new one: spans of one trace."""
        with self.lock:
            if self.open:
                self.sent_again += 1
                return self.open.pop()
        request, names = ExportTraceServiceRequest(), []
        scoped = request.resource_spans.add().scope_spans.add()
        trace_id = os.urandom(16)
        for _ in range(SPANS):
            span_id = os.urandom(8)
            span = scoped.spans.add(trace_id=trace_id, span_id=span_id, name="chat", kind=3)
            span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns()
            span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 1
            names.append((trace_id.hex(), span_id.hex()))
        return request.SerializeToString(), names

    def run(self, port: int, stop: threading.Event) -> None:
        """Send until told to stop or until nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not stop.is_set():
            body, names = self.batch()
            try:
                connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
                answer = connection.getresponse()
                answer.read()
                taken = answer.status == 200
                assert taken or answer.status == 503, answer.status
            except (OSError, http.client.HTTPException):
                taken = False
            with self.lock:
                if taken:
                    self.acknowledged.append(names)
                else:
                    self.open.append((body, names))
            if not taken:
                break
        connection.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "headgate.yaml").write_text("headgate: 1\nproject: acme\nenvironments: {dev: {}}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def origin() -> Iterator[forked.Origin]:
    with forked.forking(*SERVER) as found:
        yield found


def started(origin: forked.Origin, root: Path) -> tuple[forked.Process, int]:
    words = ("serve", "--port", "0", "--project", str(root))
    process = origin.start(forked.HEADGATE, *words, environment=plain_environment(HEADGATE_LOG="off"))
    return process, int(process.stdout.readline().split("http://127.0.0.1:")[1].split()[0])


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_acknowledged_span_is_there_exactly_once(root: Path, origin: forked.Origin) -> None:
    sending, moments = Sending(), random.Random(4)
    cut = 0
    for _ in range(ROUNDS):
        process, port = started(origin, root)
        stop = threading.Event()
        threads = [threading.Thread(target=sending.run, args=(port, stop)) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        time.sleep(0.02 + moments.random() * 0.4)
        process.kill()
        assert process.wait() == -9
        process.stdout.close()
        stop.set()
        for thread in threads:
            thread.join()
        cut += bool(sending.open)
    assert len(sending.acknowledged) > ROUNDS, "hardly anything was acknowledged: the test shows nothing"
    assert cut > ROUNDS / 2, "the server was hardly ever killed in the middle of an export"
    assert sending.sent_again > 0
    spans = Spans(f"sqlite:///{root / '.headgate' / 'spans.db'}", writer=False)
    for names in sending.acknowledged:
        found = Counter((span.trace_id, span.span_id) for span in spans.spans_of("acme", names[0][0]))
        assert found == Counter(names), "an acknowledged span is missing, or there twice"
        request = spans.get("acme", names[0][0])
        assert request is not None
        assert request.input_tokens == SPANS, "the trace's sums count every span once"
    spans.close()
