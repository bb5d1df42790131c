"""One request through the gateway with everything on, against a bare pass-through on the same client, in one run.

python benchmarks/bench_gateway.py [--seconds 2] [--json]

Everything on: key, daily budget, ledger, two input and two output guards, trace stored. The pass-through is raw ASGI
and aiohttp: it decodes the model, the stream flag and the usage, and does nothing else. Both are one uvicorn process on
core 0; the upstream (zero latency) and the load share core 1. Every answer is checked; a wrong one, or a dropped
trace, voids the run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
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

from headgate.platform import read_settings, run_operation

SHARED = Path(__file__).parents[2] / "shared" / "bench"
QUESTION = "Summarise the following text for a busy reader and answer the question at the end in one sentence. " * 10
FILES = {
    "headgate.yaml": """headgate: 1
project: bench
providers:
  mock: {type: openai, base_url: "http://127.0.0.1:%d/v1", key: bench, price: {input: $0.25, output: $2}}
environments: {prod: {}}
""",
    "apps/bench.yaml": """contract: contracts/bench
policy: policies/bench
route: {to: {default: {llm: main, prompt: prompts/answer}}}
llms: {main: [mock/gpt-4o-mini]}
fallback: prompts/safe
""",
    "contracts/bench.yaml": "cost: {per_day: $100000}\n",
    "policies/bench.yaml": (
        "input: [pii: {action: mask}, injection: {action: block, reply: prompts/safe}]\n"
        "output: [secrets: {action: block}, pii: {action: mask}]\n"
    ),
    "prompts/answer.md": "# user\n\n{{ question }}\n",
    "prompts/safe.md": "A person will answer you.\n",
}
PASS_THROUGH = """
import json, sys, aiohttp, msgspec
UPSTREAM = sys.argv[1]
decode, session = msgspec.json.decode, None
async def app(scope, receive, send):
    global session
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    asked = decode(body)
    asked["model"], stream = asked.get("model"), asked.get("stream")
    session = session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
    async with session.post(UPSTREAM, data=body, headers={"content-type": "application/json"}) as answer:
        head = [(b"content-type", answer.headers["content-type"].encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        if stream:
            async for piece in answer.content.iter_any():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            whole = await answer.read()
            decode(whole).get("usage")
            await send({"type": "http.response.body", "body": whole})
import uvicorn
uvicorn.run(app, port=int(sys.argv[2]), log_level="critical", loop="uvloop", http="httptools", lifespan="off")
"""


@dataclass(frozen=True)
class System:
    """Something that answers chat completions on a port of this machine."""

    name: str
    port: int
    headers: str
    model: str


@dataclass(frozen=True)
class Figure:
    """What one load measured: requests a second and latencies in microseconds."""

    rate: float
    p50: float
    p99: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pin(core: int) -> None:
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


@contextmanager
def process(command: list[str], port: int, core: int, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server on a core until it is no longer needed; it is ready when its port answers."""
    found = subprocess.Popen(command, preexec_fn=lambda: pin(core), **more)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or found.poll() is not None:
                    raise SystemExit(f"{command[0]} did not start") from None
                time.sleep(0.02)
        yield found
    finally:
        found.send_signal(signal.SIGTERM)
        found.wait(40)


@contextmanager
def upstream(folder: Path) -> Iterator[int]:
    """Run the fast mock in C when it can be built, else the stand-in of `headgate.testing`."""
    port, source = free_port(), SHARED / "mock_upstream.c"
    command = [sys.executable, "-m", "headgate.testing.upstream", "--port", str(port)]
    if source.exists() and shutil.which("gcc"):
        subprocess.run(["gcc", "-O2", "-o", str(folder / "mock"), str(source)], check=True)
        command = [str(folder / "mock"), str(port)]
    with process(command, port, 1, stdout=subprocess.DEVNULL):
        yield port


def do(root: Path, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = run_operation(operation, request, root, read_settings({}), lambda *_: None)
    return result


@contextmanager
def gateway(folder: Path, upstream_port: int) -> Iterator[System]:
    """Build, promote and serve an app with everything on."""
    root, port = folder / "project", free_port()
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text % upstream_port if name == "headgate.yaml" else text)
    do(root, "environment.apply", {})
    do(root, "release.promote", {"release": do(root, "release.create", {})["digest"], "environment": "prod"})
    key = do(root, "key.create", {"person": "bench", "role": ["app"], "budget_per_day": "$100000"})["token"]
    command = [sys.executable, "-m", "headgate", "serve", "--port", str(port), "--project", str(root)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with process(command, port, 0, **quiet):
        yield System("headgate, everything on", port, f"authorization: Bearer {key}\r\n", "bench")


@contextmanager
def pass_through(folder: Path, upstream_port: int) -> Iterator[System]:
    port = free_port()
    (folder / "pass.py").write_text(PASS_THROUGH)
    url = f"http://127.0.0.1:{upstream_port}/v1/chat/completions"
    with process([sys.executable, str(folder / "pass.py"), url, str(port)], port, 0):
        yield System("bare pass-through", port, "", "gpt-4o-mini")


class Load(asyncio.Protocol):
    """One connection that sends the same request again and again and checks every answer."""

    def __init__(self, request: bytes, stream: bool, until: float) -> None:
        self.request, self.stream, self.until = request, stream, until
        self.took: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        self.data, self.began = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.data, self.began = b"", time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.data += data
        if not self.whole():
            return
        if not self.data.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(SystemExit(f"a wrong answer spoils the run: {self.data[:300]!r}"))
            return
        now = time.perf_counter()
        self.took.append(now - self.began)
        if now < self.until:
            self.send()
        elif not self.done.done():
            self.done.set_result(None)

    def whole(self) -> bool:
        if self.stream:
            return self.data.endswith(b"0\r\n\r\n") and b"data: [DONE]" in self.data
        head, found, body = self.data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not found:
            return False
        return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")

    def connection_lost(self, problem: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(SystemExit("the server closed a connection"))


async def measure(system: System, connections: int, seconds: float, stream: bool = False) -> Figure:
    body = json.dumps({"model": system.model, "stream": stream, "messages": [{"role": "user", "content": QUESTION}]})
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n{system.headers}content-type: application/json\r\n"
    )
    request = f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    loads = []
    for _ in range(connections):
        made = await loop.create_connection(lambda: Load(request, stream, began + seconds), "127.0.0.1", system.port)
        loads.append(made[1])
    await asyncio.gather(*(load.done for load in loads))
    spent = time.perf_counter() - began
    took = sorted(value * 1e6 for load in loads for value in load.took)
    for load in loads:
        load.transport.close()
    return Figure(len(took) / spent, took[len(took) // 2], took[int(len(took) * 0.99)])


def row(system: System, seconds: float) -> dict[str, float]:
    """Warm up, then take the median of three loads of each sort."""

    async def all_loads() -> dict[str, float]:
        await measure(system, 8, min(seconds, 1.0))
        ones = [await measure(system, 1, seconds / 3) for _ in range(3)]
        many = [await measure(system, 32, seconds / 3) for _ in range(3)]
        streams = [await measure(system, 32, seconds / 3, stream=True) for _ in range(3)]
        return {
            "p50_us": statistics.median(found.p50 for found in ones),
            "p99_us": statistics.median(found.p99 for found in ones),
            "rate_32": statistics.median(found.rate for found in many),
            "streams_32": statistics.median(found.rate for found in streams),
        }

    return asyncio.run(all_loads())


def dropped(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        found = re.search(r"^headgate_spans_dropped (\S+)$", answer.read().decode(), re.MULTILINE)
    return int(float(found[1])) if found else -1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each load")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    pin(1)
    rows: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(upstream(folder))
        rows["direct to the mock"] = row(System("direct", port, "", "gpt-4o-mini"), chosen.seconds)
        with pass_through(folder, port) as bare:
            rows[bare.name] = row(bare, chosen.seconds)
        with gateway(folder, port) as ours:
            rows[ours.name] = row(ours, chosen.seconds)
            lost = dropped(ours.port)
    base, own = rows["bare pass-through"], rows["headgate, everything on"]
    ratios = {
        "added_p50_us": own["p50_us"] - base["p50_us"],
        "rate_share": own["rate_32"] / base["rate_32"],
        "streams_share": own["streams_32"] / base["streams_32"],
        "traces_dropped": lost,
    }
    if chosen.json:
        print(json.dumps({"rows": rows, "ratios": ratios}, indent=2))
    else:
        show(rows, ratios)
    return 0 if lost == 0 else 1


def show(rows: dict[str, dict[str, float]], ratios: dict[str, float]) -> None:
    print(f"{'one core each':<26}{'p50 c=1':>12}{'p99 c=1':>12}{'req/s c=32':>13}{'streams/s c=32':>16}")
    for name, found in rows.items():
        print(
            f"{name:<26}{found['p50_us']:>9.0f} µs{found['p99_us']:>9.0f} µs{found['rate_32']:>13.0f}"
            f"{found['streams_32']:>16.0f}"
        )
    print(
        f"\nheadgate adds {ratios['added_p50_us']:.0f} µs at p50, keeps {ratios['rate_share']:.0%} of the "
        f"pass-through's req/s and {ratios['streams_share']:.0%} of its streams; "
        f"{ratios['traces_dropped']:.0f} traces dropped"
    )


if __name__ == "__main__":
    sys.exit(main())
