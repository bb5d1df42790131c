"""What a connection costs: µs of CPU a request in our connection guard, beside uvicorn's protocol on httptools.

python benchmarks/bench_connection.py [--requests 20000] [--json]

Both parse the same request of 1.4 kB and send the same answer of 14 headers, for the same application, which reads the
body and does nothing else. The transport is a list, so that no kernel is measured; uvicorn has none of our limits.
Turns alternate, and the best of each counts. A wrong answer voids the run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from headgate.http.connection import GuardedProtocol

BODY = json.dumps({"model": "support", "messages": [{"role": "user", "content": "How long? " * 110}]}).encode()
LINES = ("host: 127.0.0.1", "accept: */*", "accept-encoding: gzip", "user-agent: bench", "authorization: Bearer hg_0",
         "content-type: application/json", f"content-length: {len(BODY)}")  # fmt: skip
REQUEST = "\r\n".join(["POST /v1/chat/completions HTTP/1.1", *LINES, "", ""]).encode() + BODY
ANSWER = b"x" * 700
HEADERS = [(b"content-length", b"700"), (b"content-type", b"application/json"),
           *((b"x-headgate-%d" % number, b"sha256:0123456789abcdef") for number in range(12))]  # fmt: skip
CHUNKS = [b"data: " + b"x" * 200 + b"\n\n"] * 4
TURNS = 20


class Wire(asyncio.Transport):
    """Where answers go."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data: Any) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False


async def whole(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["body"] == BODY
    client = scope.get("headgate.client")
    if client is None or not client.answer(200, HEADERS[1:], ANSWER):
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": ANSWER})


async def stream(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["body"] == BODY
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS[1:]})
    for chunk in CHUNKS:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Side:
    """One protocol with one application."""

    def __init__(self, protocol: Any, app: Any, end: bytes) -> None:
        config = uvicorn.Config(app, http=protocol, ws="none", log_config=None, access_log=False, server_header=False)
        config.load()
        state = ServerState()
        state.default_headers = [(b"date", b"Sat, 21 Nov 2026 17:00:00 GMT")]
        self.protocol, self.wire, self.end = protocol(config=config, server_state=state, app_state={}), Wire(), end
        self.protocol.connection_made(self.wire)

    async def run(self, requests: int) -> float:
        began = time.thread_time()
        for _ in range(requests):
            self.wire.written.clear()
            self.protocol.data_received(REQUEST)
            await asyncio.sleep(0)
            assert self.wire.written[-1].endswith(self.end), b"".join(self.wire.written)
        return (time.thread_time() - began) / requests * 1e6


async def measure(requests: int) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for kind, app, end in (("whole", whole, ANSWER), ("stream of 4", stream, b"0\r\n\r\n")):
        sides = {"ours": Side(GuardedProtocol, app, end), "uvicorn": Side(HttpToolsProtocol, app, end)}
        best = dict.fromkeys(sides, float("inf"))
        for _ in range(TURNS):
            for name, side in sides.items():
                best[name] = min(best[name], await side.run(requests // TURNS))
        found[kind] = {name: round(micros, 1) for name, micros in best.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=_loop) as runner:
        found = runner.run(measure(given.requests))
    if given.json:
        print(json.dumps(found))
        return
    print(f"{'CPU a request':16}{'ours':>12}{'uvicorn':>12}")
    for kind, sides in found.items():
        print(f"{kind:16}{sides['ours']:>9.1f} µs{sides['uvicorn']:>9.1f} µs")


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


if __name__ == "__main__":
    main()
