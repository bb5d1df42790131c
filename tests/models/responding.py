"""The edge `openai-responses` behind the real `openai` client, with nothing between them but bytes."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai

from headgate.kernel import Answer, InvalidInput, Unavailable, Usage, plugins
from headgate.models import Asked, Edge
from headgate.models.sse import EventParser

EDGE: Edge = plugins.load("edges", "openai-responses")
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    "strict": True,
}
CALLS = [
    {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Ulm"}'}},
    {"id": "call_b", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
]
BLOCKS = [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}]


def answer(text: str = "It is dry.", **other: Any) -> Answer:
    given = {"status": "answered", "release": "sha256:ab", "trace_id": "t" * 32, "usage": Usage(12, 5), **other}
    return Answer(text, **given)


class Server(httpx2.BaseTransport):
    """Answers the client's requests from the edge alone; `asked` holds the neutral body of the last one."""

    def __init__(
        self,
        given: Answer,
        pieces: tuple[str, ...] = (),
        thoughts: tuple[str, ...] = (),
        refusals: tuple[str, ...] = (),
    ) -> None:
        self.answer, self.pieces, self.thoughts, self.refusals = given, pieces, thoughts, refusals
        self.asked: dict[str, Any] = {}
        self.error: Exception | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.read())
        try:
            self.asked = EDGE.decode_request(body)
        except InvalidInput as problem:
            return httpx2.Response(problem.status, json=EDGE.error_body(problem))
        asked = Asked(body["model"], 1_700_000_000, "t" * 32, body)
        if not self.asked.get("stream"):
            return httpx2.Response(200, json=EDGE.completion(self.answer, asked))
        return httpx2.Response(200, content=self._stream(asked), headers={"content-type": "text/event-stream"})

    def _stream(self, asked: Asked) -> bytes:
        encoder = EDGE.encoder(asked)
        out = encoder.start()
        for thought in self.thoughts:
            out += encoder.reasoning(thought)
        for piece in self.pieces:
            out += encoder.text(piece)
        for piece in self.refusals:
            out += encoder.refusal(piece)
        if self.error is not None:
            assert isinstance(self.error, Unavailable)
            return out + encoder.error(self.error)
        return out + encoder.end(self.answer)


def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(
        api_key="k", base_url="http://gateway/v1", max_retries=0, http_client=httpx2.Client(transport=server)
    )


def events(raw: bytes) -> list[dict[str, Any]]:
    parser = EventParser()
    return [json.loads(data) for data in parser.feed(raw)]
