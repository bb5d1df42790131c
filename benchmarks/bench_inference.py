"""One row scored through the full path (key, pin, record) against a bare server with the same ONNX file, in one run.

python benchmarks/bench_inference.py [--seconds 2] [--json]

Two models: a text classifier (TF-IDF and logistic regression) and one of four numbers. The bare server is raw ASGI: it
decodes the JSON with the same decoder, runs the session and encodes label and confidence; no key, no checks, no record.
Each server is one uvicorn process on core 0, the load is on core 1; bare and full are measured in turn, three times.
Every answer is checked; a wrong one, or a dropped trace, voids the run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import free_port, pin

from headgate.platform import open_project, read_settings
from headgate.testing.served import do

APP = """contract: contracts/c
route: {{model: models/{}, to: {{default: {{human: {{reply: prompts/safe}}}}}}}}
fallback: prompts/safe
"""
PIPELINE = """from headgate.train import Pipeline
model = Pipeline(dataset="data/{0}", target="target", features={2})
@model.fit
def fit(train, params):
{1}
"""
TEXT = """    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    words = TfidfVectorizer(token_pattern=r"[a-zA-Z0-9]+", ngram_range=(1, 2))
    return make_pipeline(words, LogisticRegression(C=10)).fit(train.column("text"), train.column("target"))
"""
COLUMNS = ("a", "b", "c", "d")
NUMBERS = """    import numpy
    from sklearn.linear_model import LogisticRegression
    table = numpy.array([train.column(name) for name in "abcd"]).T
    return LogisticRegression().fit(table, train.column("target"))
"""
FILES = {
    "headgate.yaml": "headgate: 1\nproject: bench\nenvironments: {prod: {}}\n",
    "apps/texts.yaml": APP.format("router"),
    "apps/numbers.yaml": APP.format("risk"),
    "contracts/c.yaml": "latency: {p95: 2s}\n",
    "prompts/safe.md": "A person will answer you.\n",
    "models/router.py": PIPELINE.format("texts", TEXT, ["text"]),
    "models/risk.py": PIPELINE.format("numbers", NUMBERS, list(COLUMNS)),
    "data/texts.yaml": "source: data/texts.csv\ncolumns:\n  text: {type: string}\n  target: {type: string}\n",
    "data/numbers.yaml": "source: data/numbers.csv\ncolumns:\n"
    + "".join(f"  {name}: {{type: number}}\n" for name in COLUMNS)
    + "  target: {type: string}\n",
}
WORDS = {"billing": "bill invoice charge pay refund fee", "outage": "down slow broken network signal offline"}
FILLERS = ("my", "the", "is", "it", "why", "please", "again", "now")
QUESTION = "Why is there a second charge on my bill again, and when do I get the refund?"
BARE = """
import sys, msgspec, numpy, onnxruntime, uvicorn
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
sorts = {item.name: object if item.type == "tensor(string)" else numpy.float32 for item in session.get_inputs()}
names = [item.name for item in session.get_outputs()]
decode, encode = msgspec.json.decode, msgspec.json.encode
async def app(scope, receive, send):
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    columns = {item["name"]: item["data"] for item in decode(body)["inputs"]}
    feed = {name: numpy.array(columns[name], dtype=sort).reshape(-1, 1) for name, sort in sorts.items()}
    labels, scores = session.run(names, feed)
    sure = [max(row.values()) if isinstance(row, dict) else float(row.max()) for row in scores]
    said = encode({"outputs": [{"name": "label", "data": labels.tolist()}, {"name": "confidence", "data": sure}]})
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": said})
uvicorn.run(app, port=int(sys.argv[2]), log_level="critical", loop="uvloop", http="httptools", lifespan="off")
"""


@dataclass(frozen=True)
class System:
    """A server of one model on a port of this machine, and the request that it answers with `label`."""

    port: int
    pid: int
    request: bytes
    label: bytes


@dataclass(frozen=True)
class Figure:
    """What one load measured: requests a second, latencies and the server's own computing time in microseconds."""

    rate: float
    p50: float
    p99: float
    cpu: float


def data() -> dict[str, str]:
    chance, names = random.Random(3), list(WORDS)
    texts, numbers = ["text,target"], [",".join((*COLUMNS, "target"))]
    for number in range(600):
        target = names[number % 2]
        words = [
            *chance.sample(WORDS[target].split(), 3),
            *chance.sample(FILLERS, 4),
        ]
        chance.shuffle(words)
        texts.append(f"{' '.join(words)},{target}")
        values = [chance.uniform(0, 10) for _ in COLUMNS]
        numbers.append(f"{','.join(f'{value:.3f}' for value in values)},{names[values[0] > values[1]]}")
    return {"data/texts.csv": "\n".join(texts) + "\n", "data/numbers.csv": "\n".join(numbers) + "\n"}


def build(root: Path) -> tuple[str, dict[str, bytes]]:
    """Train and promote both models; return a key and each model's ONNX bytes."""
    for name, text in {**FILES, **data()}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    do(root, "environment.apply", {})
    contents = {}
    for model, dataset, app in (("router", "texts", "texts"), ("risk", "numbers", "numbers")):
        do(root, "data.add", {"dataset": f"data/{dataset}"})
        digest = do(root, "train.run", {"model": f"models/{model}"})["digest"]
        made = do(root, "release.create", {"app": app})["digest"]
        do(root, "release.promote", {"release": made, "environment": "prod"})
        document = do(root, "artifact.show", {"name": digest})["document"]
        embedded = open_project(root, read_settings({}))
        contents[model] = embedded.store.blobs.get(document["file"])
        embedded.close()
    key = do(root, "key.create", {"person": "bench", "role": ["app"], "budget_per_day": "$100000"})["token"]
    return key, contents


@contextmanager
def process(command: list[str], port: int) -> Iterator[int]:
    """Run a server on core 0 until it is no longer needed; it is ready when its port answers."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    found = subprocess.Popen(command, preexec_fn=lambda: pin(0), **quiet)  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or found.poll() is not None:
                    raise SystemExit(f"{command} did not start") from None
                time.sleep(0.02)
        yield found.pid
    finally:
        found.send_signal(signal.SIGTERM)
        found.wait(40)


class Load(asyncio.Protocol):
    """One connection that sends the same row again and again and checks every answer."""

    def __init__(self, system: System, until: float) -> None:
        self.system, self.until = system, until
        self.took: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        self.data, self.began = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.data, self.began = b"", time.perf_counter()
        self.transport.write(self.system.request)

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if not found or length is None or len(body) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 200") or self.system.label not in body:
            self.done.set_exception(SystemExit(f"a wrong answer spoils the run: {self.data[:400]!r}"))
            return
        now = time.perf_counter()
        self.took.append(now - self.began)
        if now < self.until:
            self.send()
        elif not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, problem: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(SystemExit("the server closed a connection"))


def computed(pid: int) -> float:
    """Return the computing time that a process has used, in seconds: all its threads, so records are in it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(system: System, connections: int, seconds: float) -> Figure:
    loop, began, before = asyncio.get_running_loop(), time.perf_counter(), computed(system.pid)
    loads = []
    for _ in range(connections):
        made = await loop.create_connection(lambda: Load(system, began + seconds), "127.0.0.1", system.port)
        loads.append(made[1])
    await asyncio.gather(*(load.done for load in loads))
    spent = time.perf_counter() - began
    took = sorted(value * 1e6 for load in loads for value in load.took)
    for load in loads:
        load.transport.close()
    cpu = (computed(system.pid) - before) / len(took) * 1e6
    return Figure(len(took) / spent, took[len(took) // 2], took[int(len(took) * 0.99)], cpu)


def request(path: str, port: int, key: str, inputs: list[dict[str, Any]]) -> bytes:
    body = json.dumps({"inputs": inputs}).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def compare(bare: System, full: System, seconds: float) -> dict[str, float]:
    """Measure both in turn, three times, and take medians."""
    found: dict[str, list[float]] = {}
    for round_ in range(4):
        for name, system in (("bare", bare), ("full", full)):
            for connections in (1, 16):
                figure = asyncio.run(measure(system, connections, seconds if round_ else 0.5))
                if round_:
                    found.setdefault(f"{name}_rate_{connections}", []).append(figure.rate)
                    found.setdefault(f"{name}_p50_{connections}", []).append(figure.p50)
                    found.setdefault(f"{name}_p99_{connections}", []).append(figure.p99)
                    found.setdefault(f"{name}_cpu_{connections}", []).append(figure.cpu)
    medians = {name: statistics.median(values) for name, values in found.items()}
    for connections in (1, 16):
        share = medians[f"full_rate_{connections}"] / medians[f"bare_rate_{connections}"]
        medians[f"share_{connections}"] = share
        cpus = [medians[f"{name}_cpu_{connections}"] for name in ("full", "bare")]
        medians[f"cpu_ratio_{connections}"] = cpus[0] / cpus[1]
    return medians


def dropped(port: int, key: str) -> int:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(asked) as answer:
        found = re.search(r"^headgate_spans_dropped (\S+)$", answer.read().decode(), re.MULTILINE)
    return int(float(found[1])) if found else -1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each load")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rows = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        key, contents = build(folder / "project")
        admin = do(folder / "project", "key.create", {"person": "reader", "role": ["viewer"]})["token"]
        (folder / "bare.py").write_text(BARE)
        pin(1)
        port = free_port()
        command = [sys.executable, "-m", "headgate", "serve", "--port", str(port), "--project", str(folder / "project")]
        served = stack.enter_context(process(command, port))
        text = [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [QUESTION]}]
        numbers = [
            {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
            for name, value in zip(COLUMNS, (2.5, 9.0, 4.0, 1.0), strict=True)
        ]
        for model, inputs, label in (("router", text, b"billing"), ("risk", numbers, b"billing")):
            (folder / f"{model}.onnx").write_bytes(contents[model])
            other = free_port()
            bare = [sys.executable, str(folder / "bare.py"), str(folder / f"{model}.onnx"), str(other)]
            with process(bare, other) as plain:
                path = f"/v2/models/{model}/infer"
                systems = [
                    System(at, pid, request(path, at, key, inputs), label)
                    for at, pid in ((other, plain), (port, served))
                ]
                rows["one text" if model == "router" else "four numbers"] = compare(*systems, chosen.seconds)
        lost = dropped(port, admin)
    if chosen.json:
        print(json.dumps({"rows": rows, "traces_dropped": lost}, indent=2))
    else:
        show(rows, lost)
    return 0 if lost == 0 else 1


def show(rows: dict[str, dict[str, float]], lost: int) -> None:
    print(f"{'one core each':<30}{'p50 c=1':>12}{'p99 c=1':>12}{'req/s c=1':>12}{'req/s c=16':>12}{'CPU c=16':>12}")
    for sort, found in rows.items():
        for name, shown in (("bare", "raw ASGI + ONNX"), ("full", "headgate, key, pin, record")):
            one, many = found[f"{name}_rate_1"], found[f"{name}_rate_16"]
            p50, p99 = found[f"{name}_p50_1"], found[f"{name}_p99_1"]
            shown = f"{sort}: {shown}"
            cpu = found[f"{name}_cpu_16"]
            print(f"{shown:<42}{p50:>6.0f} µs{p99:>9.0f} µs{one:>12.0f}{many:>12.0f}{cpu:>9.0f} µs")
        print(f"    headgate keeps {found['share_1']:.0%} of the bare req/s at c=1, {found['share_16']:.0%} at c=16")
        print(f"    and computes {found['cpu_ratio_16']:.1f} times as long a request, all threads")
    print(f"\n{lost} traces dropped")


if __name__ == "__main__":
    sys.exit(main())
