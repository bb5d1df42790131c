"""The systems that `bench_gateway.py` compares: how each is configured, started on a core, asked and stopped.

Used by `bench_gateway.py` and `profile_gateway.py`; it measures nothing.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from machine import free_port, pin

from headgate.testing.served import do

HERE = Path(__file__).parent
PEERS = HERE.parent / ".peers"
SERVER_CORE, LOAD_CORE = 0, 1
SLOW_MS = 50
START_S = 60
QUESTION = (
    "Summarise the following text for a busy reader and answer the question at the end in one sentence. " * 9
    + "What is the largest city of the country? This is question 00000."
)
WHOLE = "It is the largest city of the country."
STREAMED = "".join(f"word{number:02d} " for number in range(20))
MODEL = "gpt-4o-mini"

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
    "contracts/bench.yaml": """cost: {per_request: $1, per_day: $100000}
limits: {app: [$900000/month, 9000000 requests/minute]}
""",
    "policies/bench.yaml": (
        "input: [pii: {action: mask}, injection: {action: block, reply: prompts/safe}]\n"
        "output: [secrets: {action: block}, pii: {action: mask}]\n"
    ),
    "prompts/answer.md": "# user\n\n{{ question }}\n",
    "prompts/safe.md": "A person will answer you.\n",
}
ROUTED = {
    "apps/bench.yaml": """contract: contracts/bench
policy: policies/bench
route:
  model: models/router
  to:
    summary: {llm: main, prompt: prompts/answer}
    default: {llm: main, prompt: prompts/answer}
llms: {main: [mock/gpt-4o-mini]}
fallback: prompts/safe
""",
    "models/router.py": """from headgate.train import Pipeline
model = Pipeline(dataset="data/questions", target="target", features=["text"])
@model.fit
def fit(train, params):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    words = TfidfVectorizer(token_pattern=r"[a-zA-Z0-9]+", ngram_range=(1, 2))
    return make_pipeline(words, LogisticRegression(C=10)).fit(train.column("text"), train.column("target"))
""",
    "data/questions.yaml": ("source: data/questions.csv\ncolumns:\n  text: {type: string}\n  target: {type: string}\n"),
    "data/questions.csv": "text,target\n"
    + "".join(
        f"please {verb} this {noun} number {number},{target}\n"
        for number in range(100)
        for verb, noun, target in (("summarise", "text", "summary"), ("cancel", "order", "order"))
    ),
}
PASS_THROUGH = """
import sys
import msgspec, uvicorn
from headgate.http.connection import GuardedProtocol
from headgate.models.transport import Transport
decode = msgspec.json.decode
transport = Transport(sys.argv[1], {"Authorization": "Bearer bench"})
async def app(scope, receive, send):
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    asked = decode(body)
    asked["model"]
    if asked.get("stream"):
        async with transport.stream("/chat/completions", asked, 60) as reply:
            head = [(b"content-type", reply.headers["content-type"].encode())]
            await send({"type": "http.response.start", "status": reply.status, "headers": head})
            async for piece in reply.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        return
    status, headers, whole = await transport.post("/chat/completions", asked, 60)
    decode(whole).get("usage")
    head = [(b"content-type", headers["content-type"].encode()), (b"content-length", str(len(whole)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": whole})
uvicorn.run(app, port=int(sys.argv[2]), log_level="critical", loop="uvloop", http=GuardedProtocol, lifespan="off",
            timeout_keep_alive=75, access_log=False, server_header=False)
"""
NGINX = """daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream model { server 127.0.0.1:%d; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:%d;
    location / {
      proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }
  }
}
"""
LITELLM = """model_list:
  - model_name: gpt-4o-mini
    litellm_params: {model: openai/gpt-4o-mini, api_base: "http://127.0.0.1:%d/v1", api_key: bench}
general_settings: {master_key: sk-bench}
"""
MLFLOW = """endpoints:
  - name: gpt-4o-mini
    endpoint_type: llm/v1/chat
    model:
      provider: openai
      name: gpt-4o-mini
      config: {openai_api_key: bench, openai_api_base: "http://127.0.0.1:%d/v1"}
"""


@dataclass(frozen=True)
class Running:
    """A server under load. `stored` counts the requests that a reader finds in its store; None for what stores none.

    end: what must be in a stream, whole.
    """

    port: int
    process: subprocess.Popen[bytes]
    start_s: float
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str = MODEL
    stored: Callable[[], int] | None = None
    end: str = "data: [DONE]"

    def request(self, stream: bool) -> bytes:
        return request(self.headers, self.model, stream)

    def dropped(self) -> int:
        """Return how many traces a server of ours says that it lost."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        found = re.search(r"^headgate_spans_dropped (\S+)$", text, re.MULTILINE)
        return int(float(found[1])) if found else -1


System = Callable[[Path, int], AbstractContextManager[Running]]
"""Starts a system in a folder of its own, in front of the upstream at a port, until the block is left."""


class Missing(Exception):
    """A system that is not on this machine."""


def request(headers: Mapping[str, str], model: str, stream: bool) -> bytes:
    """Return one chat completion of about 1 KB as HTTP/1.1."""
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": QUESTION}]})
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: localhost", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", body]).encode()


def build(name: str, folder: Path) -> Path:
    """Compile a C file of this folder. Raises SystemExit without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("a C compiler builds the upstream and the load: install gcc")
    subprocess.run([compiler, "-O2", "-o", str(folder / name), str(HERE / f"{name}.c")], check=True)
    return folder / name


@contextmanager
def process(command: list[str], core: int, folder: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program on a core until it is no longer needed; what it says is in `said.log`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")} | more
    with (folder / "said.log").open("wb") as said:
        found = subprocess.Popen(
            command, preexec_fn=lambda: pin(core), stdout=said, stderr=said, env=env, cwd=folder, start_new_session=True
        )
    try:
        yield found
    finally:
        with suppress(ProcessLookupError):
            found.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            found.wait(40)
        with suppress(ProcessLookupError):
            os.killpg(found.pid, signal.SIGKILL)
        found.wait()


@contextmanager
def upstream(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run the model that costs nothing, beside the load."""
    port = free_port()
    with process([str(build("upstream", folder)), str(port), str(SLOW_MS)], LOAD_CORE, folder) as found:
        started(found, port, folder)
        yield port, found


def started(
    found: subprocess.Popen[bytes],
    port: int,
    folder: Path,
    headers: Mapping[str, str] | None = None,
    model: str = MODEL,
) -> float:
    """Wait for the first 200 to a whole request; return the seconds since the call. Raises SystemExit."""
    began, said = time.monotonic(), b""
    asked = request({**(headers or {}), "connection": "close"}, model, False)
    while time.monotonic() < began + START_S and found.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as probe:
            probe.sendall(asked)
            said = probe.recv(4096)
            if said.startswith(b"HTTP/1.1 200"):
                return time.monotonic() - began
        time.sleep(0.01)
    log = (folder / "said.log").read_text(errors="replace")[-2000:]
    raise SystemExit(f"{found.args!r} did not start: {said[:300]!r}\n{log}")


@contextmanager
def nothing(folder: Path, upstream_port: int) -> Iterator[Running]:
    """The upstream itself, asked directly: the ceiling of what is measured."""
    yield Running(upstream_port, subprocess.Popen(["true"]), 0.0)


@contextmanager
def nginx(folder: Path, upstream_port: int) -> Iterator[Running]:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise Missing("install nginx-light")
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX % (upstream_port, port))
    with process([program, "-p", str(folder), "-c", str(folder / "nginx.conf")], SERVER_CORE, folder) as found:
        yield Running(port, found, started(found, port, folder))


@contextmanager
def pass_through(folder: Path, upstream_port: int) -> Iterator[Running]:
    """Our server and our client with nothing between them but the JSON."""
    port = free_port()
    (folder / "pass.py").write_text(PASS_THROUGH)
    command = [sys.executable, str(folder / "pass.py"), f"http://127.0.0.1:{upstream_port}/v1", str(port)]
    with process(command, SERVER_CORE, folder) as found:
        yield Running(port, found, started(found, port, folder))


def project(root: Path, upstream_port: int, routed: bool) -> str:
    """Build and promote an app with everything on; return a key."""
    for name, text in {**FILES, **(ROUTED if routed else {})}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text % upstream_port if name == "headgate.yaml" else text)
    do(root, "environment.apply", {})
    if routed:
        do(root, "data.add", {"dataset": "data/questions"})
        do(root, "train.run", {"model": "models/router"})
    do(root, "release.promote", {"release": do(root, "release.create", {})["digest"], "environment": "prod"})
    limits = ["$100000/day", "9000000 requests/minute", "900000000k tokens/day"]
    return str(do(root, "key.create", {"person": "bench", "role": ["app"], "limit": limits})["token"])


@contextmanager
def headgate(
    folder: Path, upstream_port: int, routed: bool = False, program: Sequence[str] = (sys.executable, "-m", "headgate")
) -> Iterator[Running]:
    """Everything on: key, limits of key and app, ledger, two input and two output guards, trace, conversation, log."""
    root, port = folder / "project", free_port()
    headers = {"authorization": f"Bearer {project(root, upstream_port, routed)}"}
    command = [*program, "serve", "--port", str(port), "--project", str(root)]
    with process(command, SERVER_CORE, folder) as found:
        count = partial(counted, root / ".headgate" / "spans.db")
        yield Running(port, found, started(found, port, folder, headers, "bench"), headers, "bench", count)


def counted(file: Path) -> int:
    with suppress(sqlite3.OperationalError):
        reader = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
        try:
            return int(reader.execute("SELECT count(*) FROM request").fetchone()[0])
        finally:
            reader.close()
    return 0


@contextmanager
def litellm(folder: Path, upstream_port: int) -> Iterator[Running]:
    program, port = _peer("litellm"), free_port()
    (folder / "config.yaml").write_text(LITELLM % upstream_port)
    headers = {"authorization": "Bearer sk-bench"}
    command = [str(program), "--config", "config.yaml", "--port", str(port), "--host", "127.0.0.1"]
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    with process(command, SERVER_CORE, folder, **quiet) as found:
        yield Running(port, found, started(found, port, folder, headers), headers)


@contextmanager
def mlflow(folder: Path, upstream_port: int) -> Iterator[Running]:
    program, port = _peer("mlflow"), free_port()
    (folder / "config.yaml").write_text(MLFLOW % upstream_port)
    command = [str(program), "gateway", "start", "--config-path", "config.yaml", "--port", str(port), "--workers", "1"]
    path = f"{program.parent}:{os.environ.get('PATH', '')}"
    quiet = {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with process(command, SERVER_CORE, folder, **quiet) as found:
        # its streams end without [DONE]; that they say why is taken for it
        yield Running(port, found, started(found, port, folder), end='"finish_reason":"stop"')


def _peer(name: str) -> Path:
    program = PEERS / name / "bin" / name
    if not program.exists():
        raise Missing(f"make {PEERS.name}/{name}/bin/{name}")
    return program


def tree(pid: int) -> list[int]:
    """Return a process and all that come from it."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_s(pid: int) -> float:
    """Return the computing time of a tree of processes in seconds: all their threads, so writers are in it."""
    ticks = 0
    for each in tree(pid):
        with suppress(OSError):
            ticks += sum(int(value) for value in _stat(each)[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """Return the sum of the most memory that each process of a tree ever held, in MB (pages they share count twice)."""
    total = 0
    for each in tree(pid):
        with suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{each}/status").read_text())
            total += int(found[1]) if found else 0
    return total / 1024


def _stat(pid: int) -> list[Any]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
