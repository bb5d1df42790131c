"""A stand-in for OpenAI, Anthropic, Gemini and Bedrock on loopback, which behaves and, on request, misbehaves.

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
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from headgate.kernel import Usage, units
from headgate.models import Price, cost

from .calls import Called, calls_of, results_of, streamed, with_calls
from .dialects import Dialect, OpenAIDialect, dialect_of, event
from .gullible import question_of, reply, vectors_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Fault = Literal[
    "429", "500", "html502", "garbage", "bad_utf8", "cut_before", "cut_after", "cut_line", "cut_tool", "stall", "drip",
    "long_line", "no_done", "no_usage", "no_finish", "filtered", "redirect", "error_mid", "empty", "wrong_type",
    "whole", "off",
]  # fmt: skip
"""cut_*: the connection closes before or after the first words, in a line, or in a tool's arguments. stall: silence
after the first words. drip: a letter at a time. long_line: 100 MiB without an end. no_*: left out. empty, wrong_type
(a page of HTML): 200 and no answer. error_mid: an error after the first words. whole: no stream, though asked for."""

_PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
_LONG = 101 * 1024 * 1024


class Gone(Exception):
    """The client has left."""


class Cut(Exception):
    """The server closes the connection in the middle of an answer."""


@dataclass
class Speech:
    """One request: the wire it came by, its body, whether it is streamed, what goes wrong, the calls it leads to."""

    dialect: Dialect
    body: dict[str, Any]
    stream: bool
    fault: Fault = "off"
    calls: list[Called] = field(default_factory=list)
    embeds: bool = False


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
        spoken = dialect_of(scope["path"]) if scope["method"] == "POST" else None
        if spoken:
            asked = json.loads(body)
            await self._chat(Speech(spoken[0], asked, spoken[1] or bool(asked.get("stream"))), receive, send)
        elif route == ("POST", "/embeddings"):
            await self._chat(Speech(OpenAIDialect(), json.loads(body), False, embeds=True), receive, send)
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

    async def _chat(self, speech: Speech, receive: Receive, send: Send) -> None:
        self.requests += 1
        self.bodies.append(speech.body)
        del self.bodies[:-1000]
        speech.fault = self._next_fault()
        self.active += 1
        try:
            await _wait(self.latency_s, receive)
            if refusal := _refusal(speech):
                status, kind, content = refusal
                await _send(send, status, kind, content, {"retry-after": "1", "location": "/elsewhere"})
                return
            await (self._embed if speech.embeds else self._speak)(speech, receive, send)
        except Gone:
            self.left += 1
        finally:
            self.active -= 1

    async def _embed(self, speech: Speech, receive: Receive, send: Send) -> None:
        """Answer with vectors of two numbers: how long a text is, and how many words it has; of tokens their count."""
        answer = vectors_of(speech.body)
        usage = Usage(answer["usage"]["prompt_tokens"])
        if speech.fault == "no_usage":
            del answer["usage"]
        if self.bill:
            await asyncio.to_thread(self._charge, speech.body, usage)
        content = b"{" if speech.fault == "garbage" else json.dumps(answer).encode()
        await _send(send, 200, "application/json", content, {})

    def _next_fault(self) -> Fault:
        if self.times <= 0:
            return "off"
        self.times -= 1
        return self.fault

    async def _speak(self, speech: Speech, receive: Receive, send: Send) -> None:
        asked = speech.dialect.asked(speech.body)
        speech.calls = calls_of(speech.dialect, speech.body, question_of(asked))
        speech.dialect.calling = bool(speech.calls)
        told = results_of(speech.body)
        text, fault = (
            "" if speech.calls else f"The tools say: {', '.join(told)}." if told else reply(asked),
            speech.fault,
        )
        length = sum(len(str(message)) for message in asked.get("messages") or [])
        usage = Usage(-(-length // 4), -(-len(text) // 4))
        if self.bill:
            await asyncio.to_thread(self._charge, asked, usage)
        if speech.stream and fault != "whole":
            await _stream(speech, text, usage, (receive, send))
            return
        answer = speech.dialect.whole(
            speech.body, text, None if fault == "no_usage" else usage, ended=fault != "no_finish"
        )
        if speech.calls:
            answer = with_calls(speech.dialect, answer, speech.calls)
        content = json.dumps(answer).encode()
        if fault == "long_line":
            await _start(send, "application/json")
            await _endless(receive, send)
            raise Cut
        if fault in _CUTS:
            await _start(send, "application/json", len(content))
            await send(
                {"type": "http.response.body", "body": content[: 0 if fault == "cut_before" else 40], "more_body": True}
            )
            await _wait(3600 if fault == "stall" else 0.05, receive)
            raise Cut
        spoilt = {"garbage": b'{"choices": [{]', "bad_utf8": b'{"text": "\xff\xfe"}', "cut_tool": content[:-9]}
        await _send(send, 200, "application/json", spoilt.get(fault, content), {})

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


def _refusal(speech: Speech) -> tuple[int, str, bytes] | None:
    """Return the whole answer of a fault that lets the model say nothing."""
    fault, dialect = speech.fault, speech.dialect
    if fault in ("429", "500") or (fault == "error_mid" and not speech.stream):
        status = 503 if fault == "error_mid" else int(fault)
        shown = 200 if fault == "error_mid" else status
        return shown, "application/json", json.dumps(dialect.error(status)).encode()
    if fault == "filtered":
        status, document = dialect.filtered()
        if status == 200 and speech.stream:
            return status, "text/event-stream", event(document)
        return status, "application/json", json.dumps(document).encode()
    kind = "text/event-stream" if speech.stream else "application/json"
    fixed = {
        "html502": (502, "text/html", _PAGE),
        "wrong_type": (200, "text/html", _PAGE),
        "redirect": (307, "text/plain", b"elsewhere"),
        "empty": (200, kind, b""),
    }
    return fixed.get(fault)


async def _stream(speech: Speech, text: str, usage: Usage, wire: tuple[Receive, Send]) -> None:
    receive, send = wire
    await _start(send, "text/event-stream")
    for piece in _events(speech, text, usage):
        if piece is _ENDLESS:
            await _endless(receive, send)
            raise Cut
        if piece is _BREATH:
            await asyncio.sleep(0.005)
            continue
        shown = speech.dialect.comment() if piece is _PAUSE or piece is _CUT else piece
        shown = speech.dialect.half() if piece is _HALF_LINE else shown
        await send({"type": "http.response.body", "body": shown, "more_body": True})
        if piece is _PAUSE:
            await _wait(3600 if speech.fault == "stall" else 0.01, receive)
        if piece is _CUT or piece is _HALF_LINE:
            await _wait(0.05, receive)
            raise Cut
    await send({"type": "http.response.body", "body": b"", "more_body": False})


_PAUSE = b"pause"
_BREATH = b"breath"
"""Models are slower than networks: without a breath now and then, a whole answer would arrive at once."""
_CUT = b"cut"
_HALF_LINE = b"half"
_ENDLESS = b"data: "
_CUTS = ("cut_before", "cut_after", "cut_line", "stall")


def _events(speech: Speech, text: str, usage: Usage) -> Iterator[bytes]:
    """Yield server-sent events as bytes; the marks tell the sender to pause, to cut the connection, to go on and on."""
    fault, dialect, body = speech.fault, speech.dialect, speech.body
    counted = None if fault == "no_usage" else usage
    if fault == "cut_before":
        yield _HALF_LINE
    yield dialect.opening(body, counted)
    if fault == "garbage":
        yield b"data: {not json\n\n"
    if fault == "cut_tool":
        yield dialect.tool(body)
        yield _HALF_LINE
    pieces = list(text) if fault == "drip" else [f"{word} " for word in text.split(" ")]
    pieces[-1] = pieces[-1].removesuffix(" ")
    for number, piece in enumerate(pieces):
        yield dialect.piece(body, piece)
        if fault == "drip":
            yield _PAUSE
        if number == min(1, len(pieces) - 1):
            yield from _second(fault, dialect)
        if number in (1, len(pieces) // 2):
            yield _BREATH
    yield from streamed(dialect, body, speech.calls)
    yield dialect.closing(body, counted, ended=fault != "no_finish")
    if fault != "no_done":
        yield dialect.last()


def _second(fault: Fault, dialect: Dialect) -> Iterator[bytes]:
    """Yield what goes wrong after the second word."""
    marks = {"cut_after": _CUT, "cut_line": _HALF_LINE, "stall": _PAUSE, "long_line": _ENDLESS}
    if fault in marks:
        yield marks[fault]
    elif fault == "bad_utf8":
        yield b'data: {"text": "\xff\xfe"}\n\n'
    elif fault == "error_mid":
        yield dialect.broke()


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _endless(receive: Receive, send: Send) -> None:
    """Send 100 MiB without the end of a line, as long as anybody listens."""
    piece = b"x" * (1024 * 1024)
    for _ in range(_LONG // len(piece)):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await _wait(0.001, receive)


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
