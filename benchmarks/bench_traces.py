"""Spans stored per second on one core, on disk before the acknowledgement: ours, a bare sink and Phoenix, in one run.

python benchmarks/bench_traces.py [--spans 20480] [--peer-spans 1024] [--phoenix .peers/phoenix/bin/phoenix] [--json]

`make bench-traces` installs the peer first. Each server runs on core 0, the sender on core 1. The spans are those of a
chat (OpenInference's names, which Phoenix speaks natively), every question and answer different, 8 to a trace, 512 to a
request as OpenTelemetry's SDK sends them, over 8 connections. What counts is what a reader finds in the store's own
file, and how long after the first byte it is there; a span that was acknowledged and is not there voids the run. The
sink is raw ASGI: it decodes, writes one row a span, commits with `synchronous=FULL`, and does nothing else. CPU time is
the server's own, so that a busy machine can be told from a slow server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from machine import free_port, pin
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from headgate.http.otlp_wire import decode_protobuf
from headgate.observe import translate

BATCH = 512
TRACE = 8
CONNECTIONS = 8
SINK = """
import sqlite3, sys
import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
db = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE span (trace_id BLOB, span_id BLOB, name TEXT, start INT, finish INT, body BLOB, "
           "PRIMARY KEY (trace_id, span_id)) WITHOUT ROWID")
async def app(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    rows = [(span.trace_id, span.span_id, span.name, span.start_time_unix_nano, span.end_time_unix_nano,
             span.SerializeToString())
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for scoped in group.scope_spans for span in scoped.spans]
    db.execute("BEGIN")
    db.executemany("INSERT OR IGNORE INTO span VALUES (?, ?, ?, ?, ?, ?)", rows)
    db.execute("COMMIT")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
uvicorn.run(app, port=int(sys.argv[2]), log_level="critical", loop="uvloop", http="httptools", lifespan="off")
"""


@dataclass(frozen=True)
class Running:
    """A server under load: its port, its process, and how many spans a reader finds in its store."""

    port: int
    pid: int
    count: Callable[[], int]


@dataclass(frozen=True)
class Figure:
    """Rates per second: acknowledged, found in the store; and the server's CPU time in µs per stored span."""

    spans: int
    acknowledged: float
    stored: float
    cpu_us: float


def bodies(spans: int, content: bool) -> list[bytes]:
    """Return exports of `spans` spans in all, no two alike."""
    made, trace_id, root = [], b"", b""
    for first in range(0, spans, BATCH):
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = "shop"
        scoped = group.scope_spans.add()
        scoped.scope.name = "openinference.instrumentation.openai"
        for number in range(first, min(first + BATCH, spans)):
            if number % TRACE == 0:
                trace_id, root = os.urandom(16), b""
            span_id = os.urandom(8)
            span = scoped.spans.add(trace_id=trace_id, span_id=span_id, name="ChatCompletion", kind=1)
            span.parent_span_id = root
            root = root or span_id
            span.start_time_unix_nano = time.time_ns() - 2_000_000_000
            span.end_time_unix_nano = span.start_time_unix_nano + 1_200_000_000
            span.status.code = 1
            for key, value in attributes(number, content).items():
                kind = "int_value" if isinstance(value, int) else "string_value"
                setattr(span.attributes.add(key=key).value, kind, value)
        made.append(request.SerializeToString())
    return made


def attributes(number: int, content: bool) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        "openinference.span.kind": "LLM",
        "llm.provider": "openai",
        "llm.system": "openai",
        "llm.model_name": "gpt-4o-mini",
        "llm.token_count.prompt": 300 + number % 500,
        "llm.token_count.completion": 50 + number % 100,
        "llm.token_count.total": 350 + number % 500 + number % 100,
        "session.id": f"session-{number // 4}",
    }
    if content:
        found |= {
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "You answer customers of a shop, briefly and kindly.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.content": f"Where is order {number}? I have waited for {number % 30} days.",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": f"Order {number} left our warehouse and arrives on Friday.",
        }
    return found


@contextmanager
def process(command: list[str], port: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server on core 0 until it is no longer needed; it is ready when it answers HTTP."""
    quiet = subprocess.DEVNULL
    env = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")} | environment
    found = subprocess.Popen(command, preexec_fn=lambda: pin(0), stdout=quiet, stderr=quiet, env=env)
    try:
        deadline = time.monotonic() + 120
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as probe:
                probe.sendall(b"GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n")
                if probe.recv(1):
                    break
            if time.monotonic() > deadline or found.poll() is not None:
                raise SystemExit(f"{command[0]} did not start")
            time.sleep(0.1)
        yield found
    finally:
        found.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            found.wait(20)
        found.kill()


@contextmanager
def headgate(folder: Path) -> Iterator[Running]:
    folder.mkdir()
    (folder / "headgate.yaml").write_text("headgate: 1\nproject: bench\nenvironments: {prod: {}}\n")
    port = free_port()
    command = [sys.executable, "-m", "headgate", "serve", "--port", str(port), "--project", str(folder)]
    with process(command, port, HEADGATE_LOG="off") as found:
        yield Running(port, found.pid, lambda: counted(folder / ".headgate" / "spans.db", "span"))


@contextmanager
def sink(folder: Path) -> Iterator[Running]:
    folder.mkdir()
    (folder / "sink.py").write_text(SINK)
    port = free_port()
    command = [sys.executable, str(folder / "sink.py"), str(folder / "sink.db"), str(port)]
    with process(command, port) as found:
        yield Running(port, found.pid, lambda: counted(folder / "sink.db", "span"))


@contextmanager
def phoenix(folder: Path, program: Path) -> Iterator[Running]:
    folder.mkdir()
    port = free_port()
    settings = {"PHOENIX_WORKING_DIR": str(folder), "PHOENIX_PORT": str(port), "PHOENIX_HOST": "127.0.0.1",
                "PHOENIX_GRPC_PORT": str(free_port()), "PHOENIX_TELEMETRY_ENABLED": "false",
                "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false"}  # fmt: skip
    with process([str(program), "serve"], port, **settings) as found:
        yield Running(port, found.pid, lambda: counted(folder / "phoenix.db", "spans"))


def counted(file: Path, table: str) -> int:
    with suppress(sqlite3.OperationalError):
        reader = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
        try:
            return int(reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        finally:
            reader.close()
    return 0


def load(server: Running, made: list[bytes], spans: int, patience_s: float) -> Figure:
    """Send everything and wait until a reader finds it."""
    before, cpu = server.count(), cpu_s(server.pid)
    began = time.perf_counter()
    asyncio.run(send_all(server.port, made))
    acknowledged = time.perf_counter() - began
    while (found := server.count() - before) < spans and time.perf_counter() - began < acknowledged + patience_s:
        time.sleep(0.05)
    took = time.perf_counter() - began
    if found < spans:
        print(f"  only {found} of {spans} acknowledged spans are there after {took:.0f} s", file=sys.stderr)
    used = cpu_s(server.pid) - cpu
    return Figure(found, spans / acknowledged, found / took, used / max(found, 1) * 1e6)


async def send_all(port: int, made: list[bytes]) -> None:
    waiting = list(made)

    async def sender() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            body = waiting.pop()
            writer.write(
                b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n"
                b"content-length: %d\r\n\r\n" % len(body)
            )
            writer.write(body)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"a wrong answer spoils the run: {head[:300]!r}")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
        writer.close()

    await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))


def parts(made: list[bytes], spans: int) -> dict[str, float]:
    """Return what decoding and mapping cost in this process, in µs of CPU per span."""
    began = time.process_time()
    batches = [decode_protobuf(body) for body in made]
    decoded = time.process_time()
    for batch in batches:
        translate(batch.spans, "bench", str)
    return {"decode": (decoded - began) / spans * 1e6, "map": (time.process_time() - decoded) / spans * 1e6}


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=40 * BATCH)
    parser.add_argument("--peer-spans", type=int, default=2 * BATCH)
    parser.add_argument("--phoenix", type=Path, default=Path(".peers/phoenix/bin/phoenix"))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    pin(1)
    whole, bare = bodies(chosen.spans, True), bodies(chosen.spans, False)
    rows: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, made in (("a conversation each", whole), ("numbers only", bare)):
            short = label.split()[0]
            for title, started in (("bare sink", sink), ("headgate", headgate)):
                with started(folder / f"{title}-{short}") as server:
                    asyncio.run(send_all(server.port, bodies(BATCH, True)))
                    rows[f"{title}, {label}"] = load(server, made, chosen.spans, 5)
        if chosen.phoenix.exists():
            peer = bodies(chosen.peer_spans, True)
            with phoenix(folder / "phoenix", chosen.phoenix) as server:
                rows["Phoenix, a conversation each"] = load(server, peer, chosen.peer_spans, 120)
        else:
            print(f"{chosen.phoenix} is not there: `make bench-traces` installs it", file=sys.stderr)
    spent = parts(whole, chosen.spans)
    lost = [title for title, found in rows.items() if title.startswith("headgate") and found.spans != chosen.spans]
    if chosen.json:
        told = {title: {**found.__dict__} for title, found in rows.items()}
        print(json.dumps({"rows": told, "parts_us": spent}, indent=2))
    else:
        show(rows, spent)
    return 1 if lost else 0


def show(rows: dict[str, Figure], spent: dict[str, float]) -> None:
    print(f"{'one core each':<34}{'spans':>8}{'acknowledged/s':>16}{'stored/s':>10}{'CPU a span':>13}")
    for title, found in rows.items():
        print(f"{title:<34}{found.spans:>8}{found.acknowledged:>16.0f}{found.stored:>10.0f}{found.cpu_us:>10.0f} µs")
    print(f"\nof ours, with a conversation: decode {spent['decode']:.0f} µs, map and mask {spent['map']:.0f} µs a span")


if __name__ == "__main__":
    sys.exit(main())
