"""A stream says the same however its bytes are cut: at every place, byte by byte, with any line ending."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import Usage, plugins
from headgate.models import Call, Delta, End
from headgate.models.transport import Reply
from headgate.models.upstream.exchange import exchange
from headgate.testing.dialects import AnthropicDialect, BedrockDialect, Dialect, GeminiDialect, OpenAIDialect

FIXTURES = Path(__file__).parents[2] / "../shared/data/fixtures/openai"
CALL = Call("m", {"messages": [{"role": "user", "content": "hello"}]}, stream=True)
BODY: dict[str, Any] = {"model": "m", "stream_options": {"include_usage": True}}
WORDS = ("Größe ", "日本語 ", "🙂", " [1]\r\n", "data: x\n\n", "end")
DIALECTS: dict[str, Dialect] = {
    "openai-chat": OpenAIDialect(),
    "anthropic-messages": AnthropicDialect(),
    "gemini-contents": GeminiDialect(),
    "bedrock-converse": BedrockDialect(),
}


class Pipe:
    """A transport whose reply is the given pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = pieces

    @asynccontextmanager
    async def stream(self, path: str, body: Any, total: float, headers: Any) -> AsyncIterator[Reply]:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in self.pieces:
                yield piece

        yield Reply(200, {"content-type": "text/event-stream"}, pieces())


async def read(wire: str, pieces: Iterable[bytes]) -> tuple[str, End]:
    codec = plugins.load("wires", wire)
    transport: Any = Pipe(pieces)
    events = [event async for event in exchange(transport, codec, CALL, lambda call: ("/", {}))]
    end = events[-1]
    assert isinstance(end, End)
    assert all(isinstance(event, Delta) for event in events[:-1])
    return "".join(event.text for event in events if isinstance(event, Delta)), end


def spoken(dialect: Dialect) -> bytes:
    usage = Usage(11, 7)
    said = b"".join(dialect.piece(BODY, word) for word in WORDS)
    raw = dialect.opening(BODY, usage) + said + dialect.closing(BODY, usage, True) + dialect.last()
    if isinstance(dialect, BedrockDialect):
        return raw
    # As many servers do, and unlike Python's default: characters as they are, not escaped.
    lines = raw.decode().split("\n")
    return "\n".join(unescaped(line) for line in lines).encode()


def unescaped(line: str) -> str:
    if not line.startswith("data: {"):
        return line
    return "data: " + json.dumps(json.loads(line[6:]), ensure_ascii=False)


ENDINGS: dict[str, Callable[[bytes], bytes]] = {
    "lf": lambda raw: raw,
    "crlf": lambda raw: raw.replace(b"\n", b"\r\n"),
    "cr": lambda raw: raw.replace(b"\n", b"\r"),
    "bom": lambda raw: b"\xef\xbb\xbf" + raw,
    "comments": lambda raw: raw.replace(b"\n\n", b"\n\n: still here\n\n"),
    "no last empty line": lambda raw: raw.rstrip(b"\n"),
}


BINARY = "bedrock-converse"
CASES = [(wire, ending) for wire in DIALECTS for ending in ENDINGS if wire != BINARY or ending == "lf"]


@pytest.mark.parametrize(("wire", "ending"), CASES)
async def test_a_stream_reads_the_same_cut_at_every_byte(wire: str, ending: str) -> None:
    raw = ENDINGS[ending](spoken(DIALECTS[wire]))
    whole = await read(wire, [raw])
    assert whole[0] == "".join(WORDS)
    assert whole[1].finish_reason == "stop"
    assert (whole[1].usage.input_tokens, whole[1].usage.output_tokens) == (11, 7)
    assert await read(wire, (raw[at : at + 1] for at in range(len(raw)))) == whole
    step = 1 if ending in ("lf", "crlf") else 7
    for at in range(0, len(raw), step):
        assert await read(wire, [raw[:at], raw[at:]]) == whole, at


def test_every_wire_that_reads_streams_is_tried() -> None:
    assert {wire for wire in plugins.names("wires") if hasattr(plugins.load("wires", wire), "parser")} == set(DIALECTS)


def recorded() -> Iterator[Path]:
    yield from sorted((FIXTURES / "sse").glob("*.txt"))


@pytest.mark.data
@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded answers of shared/data are absent")
async def test_recorded_streams_read_the_same_cut_anywhere() -> None:
    files = list(recorded())
    assert len(files) == 12
    for file in files:
        raw = file.read_bytes()
        whole = await read("openai-chat", [raw])
        assert whole[0] or whole[1].extra["message"]["tool_calls"]
        assert await read("openai-chat", (raw[at : at + 1] for at in range(len(raw)))) == whole
        for at in range(0, len(raw), max(len(raw) // 40, 1)):
            assert await read("openai-chat", [raw[:at], raw[at:]]) == whole
