"""A stand-in for an OpenAI-compatible server on loopback, which behaves and, on request, misbehaves.

Run by tests and the demo: `python -m headgate.testing.upstream --port 9000 --bill bill.jsonl`, or in process with
`running()`. It keeps its own bill: one line per paid request, on disk before the first byte of the answer, so that
what Headgate claims to have paid can be checked. POST `/_faults` `{"kind": "429", "times": 3}` makes it fail.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from headgate.kernel import Usage, new_id, units
from headgate.models import Price, cost

from .gullible import reply

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Fault = Literal[
    "429", "500", "html502", "garbage", "cut_before", "cut_after", "stall", "drip", "no_done", "no_usage", "no_finish",
    "filtered", "redirect", "off",
]  # fmt: skip
"""cut_*: the connection closes before or after the first words. stall: silence after them. drip: a letter at a time."""

_REFUSALS: Mapping[str, tuple[int, str, bytes]] = {
    "429": (429, "application/json", b'{"error": {"message": "slow down", "type": "rate_limit_error"}}'),
    "500": (500, "application/json", b'{"error": {"message": "broken", "type": "server_error"}}'),
    "html502": (502, "text/html", b"<html><body><h1>502 Bad Gateway</h1></body></html>"),
    "filtered": (400, "application/json", b'{"error": {"message": "filtered", "code": "content_filter"}}'),
    "redirect": (307, "text/plain", b"elsewhere"),
}


class Gone(Exception):
    """The client has left."""


class Cut(Exception):
    """The server closes the connection in the middle of an answer."""


@dataclass
class Upstream:
    """The ASGI application. `active` counts answers in progress, `left` clients that went before the end."""

    bill: Path | None = None
    latency_s: float = 0.0
    price: Price | None = None
    fault: Fault = "off"
    times: int = 0
    requests: int = 0
    active: int = 0
    left: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        route = (scope["method"], scope["path"].removeprefix("/v1"))
        if route == ("POST", "/chat/completions"):
            await self._chat(json.loads(body), receive, send)
        elif route == ("POST", "/_faults"):
            wanted = json.loads(body)
            self.misbehave(wanted["kind"], int(wanted.get("times", 1)))
            await _answer(send, 200, {"kind": self.fault, "times": self.times})
        elif route == ("GET", "/_stats"):
            await _answer(send, 200, {"requests": self.requests, "active": self.active, "left": self.left})
        elif route == ("GET", "/models"):
            await _answer(send, 200, {"object": "list", "data": [{"id": "stand-in", "object": "model"}]})
        else:
            await _answer(send, 404, {"error": {"message": "no such route", "type": "not_found_error"}})

    def misbehave(self, kind: Fault, times: int = 1) -> None:
        """Answer the next `times` chat requests with a fault. Raises ValueError for a kind that is not known."""
        if kind not in get_args(Fault):
            raise ValueError(f"there is no fault {kind!r}; known: {', '.join(get_args(Fault))}")
        self.fault, self.times = kind, times

    async def _chat(self, body: dict[str, Any], receive: Receive, send: Send) -> None:
        self.requests += 1
        self.bodies.append(body)
        del self.bodies[:-1000]
        fault = self._next_fault()
        self.active += 1
        try:
            await _wait(self.latency_s, receive)
            if fault in _REFUSALS:
                status, kind, content = _REFUSALS[fault]
                await _send(send, status, kind, content, {"retry-after": "1", "location": "/elsewhere"})
                return
            await self._speak(body, fault, receive, send)
        except Gone:
            self.left += 1
        finally:
            self.active -= 1

    def _next_fault(self) -> Fault:
        if self.times <= 0:
            return "off"
        self.times -= 1
        return self.fault

    async def _speak(self, body: dict[str, Any], fault: Fault, receive: Receive, send: Send) -> None:
        text = reply(body)
        asked = sum(len(str(message)) for message in body.get("messages") or [])
        usage = Usage(-(-asked // 4), -(-len(text) // 4))
        if self.bill:
            await asyncio.to_thread(self._charge, body, usage)
        if body.get("stream"):
            await _stream(body, text, usage, fault, (receive, send))
            return
        answer = _head(body, "chat.completion") | {
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": _usage(usage),
        }
        if fault == "no_usage":
            del answer["usage"]
        if fault == "no_finish":
            answer["choices"][0]["finish_reason"] = None
        content = b'{"choices": [{]' if fault == "garbage" else json.dumps(answer).encode()
        if fault in ("cut_before", "cut_after", "stall"):
            await _start(send, "application/json", len(content))
            await send(
                {"type": "http.response.body", "body": content[: 0 if fault == "cut_before" else 40], "more_body": True}
            )
            await _wait(3600 if fault == "stall" else 0.05, receive)
            raise Cut
        await _send(send, 200, "application/json", content, {})

    def _charge(self, body: Mapping[str, Any], usage: Usage) -> None:
        """Write one line to the bill and wait until it is on disk."""
        asked = json.dumps([body.get("model"), body.get("messages")], sort_keys=True).encode()
        line = {
            "at": time.time(),
            "model": body.get("model"),
            "request": hashlib.sha256(asked).hexdigest(),
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_nano": cost(self.price, usage),
        }
        if self.bill is None:
            return
        with self.lock, self.bill.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


async def _stream(body: Mapping[str, Any], text: str, usage: Usage, fault: Fault, wire: tuple[Receive, Send]) -> None:
    receive, send = wire
    await _start(send, "text/event-stream")
    async for event in _events(body, text, usage, fault):
        await send({"type": "http.response.body", "body": event, "more_body": True})
        if event is _PAUSE:
            await _wait(3600 if fault == "stall" else 0.01, receive)
        if event is _CUT:
            await _wait(0.05, receive)
            raise Cut
    await send({"type": "http.response.body", "body": b"", "more_body": False})


_PAUSE = b": pause\n\n"
_CUT = b'data: {"choi'


async def _events(body: Mapping[str, Any], text: str, usage: Usage, fault: Fault) -> AsyncIterator[bytes]:
    """Yield server-sent events as bytes; the two marks tell the sender to pause or to cut the connection."""
    head = _head(body, "chat.completion.chunk")
    if fault == "cut_before":
        yield _CUT
    yield _event(head, {"role": "assistant", "content": ""})
    if fault == "garbage":
        yield b"data: {not json\n\n"
    pieces = list(text) if fault == "drip" else [f"{word} " for word in text.split(" ")]
    pieces[-1] = pieces[-1].removesuffix(" ")
    for number, piece in enumerate(pieces):
        yield _event(head, {"content": piece})
        if number == 1 and fault == "cut_after":
            yield _CUT
        if fault == "drip" or (number == 1 and fault == "stall"):
            yield _PAUSE
    if fault != "no_finish":
        yield _event(head, {}, "stop")
    if (body.get("stream_options") or {}).get("include_usage") and fault != "no_usage":
        yield b"data: " + json.dumps({**head, "choices": [], "usage": _usage(usage)}).encode() + b"\n\n"
    if fault != "no_done":
        yield b"data: [DONE]\n\n"


def _event(head: Mapping[str, Any], delta: Mapping[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n".encode()


def _head(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    model = str(body.get("model") or "stand-in")
    base = {"id": new_id("chat"), "object": kind, "created": int(time.time()), "model": model}
    return {**base, "system_fingerprint": "fp_stand_in"}


def _usage(usage: Usage) -> dict[str, int]:
    total = usage.input_tokens + usage.output_tokens
    return {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens, "total_tokens": total}


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _wait(seconds: float, receive: Receive) -> None:
    """Sleep, unless the client leaves first. Raises Gone."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
    raise Gone


async def _answer(send: Send, status: int, document: Mapping[str, Any]) -> None:
    await _send(send, status, "application/json", json.dumps(document).encode(), {})


async def _send(send: Send, status: int, kind: str, content: bytes, headers: Mapping[str, str]) -> None:
    named = {"content-type": kind, "content-length": str(len(content)), **(headers if status != 200 else {})}
    pairs = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})


async def _start(send: Send, kind: str, length: int | None = None) -> None:
    pairs = [(b"content-type", kind.encode())]
    pairs += [(b"content-length", str(length).encode())] if length is not None else []
    await send({"type": "http.response.start", "status": 200, "headers": pairs})


def _server(app: Upstream, port: int) -> Any:
    import uvicorn

    config = uvicorn.Config(app, "127.0.0.1", port, log_config=None, log_level="critical", access_log=False)
    config.lifespan, config.timeout_graceful_shutdown = "off", 1
    return uvicorn.Server(config)


@contextmanager
def running(app: Upstream | None = None, port: int = 0) -> Iterator[tuple[str, Upstream]]:
    """Run the stand-in in a thread; gives its base URL (`http://127.0.0.1:4711/v1`) and the application."""
    app = app or Upstream()
    server = _server(app, port)
    thread = threading.Thread(target=server.run, name="upstream", daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the stand-in server did not start")
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1", app
    finally:
        server.should_exit = True
        thread.join(10)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m headgate.testing.upstream", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bill", type=Path)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--price", default="0,0", help="dollars per million tokens: input,output")
    chosen = parser.parse_args()
    prices = [units.parse_usd(part) for part in chosen.price.split(",")]
    app = Upstream(chosen.bill, chosen.latency_ms / 1000, Price.model_construct(input=prices[0], output=prices[-1]))
    server = _server(app, chosen.port)
    server.run()


if __name__ == "__main__":
    main()
