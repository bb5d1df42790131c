"""What every wire is that clients speak to the gateway: a foreign request in, answers, streams and errors out.

Called by the HTTP edge through `platform`; files in `edges/` implement it. Nothing here does I/O or decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from headgate.kernel import Answer, HeadgateError


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer echoes: the model as the client wrote it, when (epoch seconds), the trace, the body as sent."""

    model: str
    created: int
    trace_id: str
    body: Mapping[str, Any]


def about(answer: Answer) -> dict[str, Any]:
    """Return our own field of an answer: release, trace, status, route, and the numbered sources that it cites."""
    cited = set(answer.citations)
    sources = [
        {"n": number, "source": passage.source, "heading": passage.heading}
        for number, passage in enumerate(answer.passages, 1)
        if passage.source in cited
    ]
    found = {"release": answer.release, "trace": answer.trace_id, "status": answer.status, "route": answer.route}
    return {**found, "sources": sources, **({"review": answer.review_id} if answer.review_id else {})}


def said_by(answer: Answer) -> dict[str, Any]:
    """Return what the message holds beside role and content; tool calls without the index that streams give them."""
    message = dict(answer.extra.get("message") or {})
    if calls := calls_of(message):
        message["tool_calls"] = [{key: value for key, value in call.items() if key != "index"} for call in calls]
    else:
        message.pop("tool_calls", None)
    return message


def calls_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the tool calls of a message; what a provider put in their place, and is none, is left out."""
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []


class StreamEncoder(Protocol):
    """Writes one streamed answer; every method returns the bytes to send, and exactly one of `end`, `error` is last."""

    def start(self) -> bytes:
        """Return what opens the stream; sent once, before anything else."""
        ...

    def text(self, piece: str) -> bytes: ...

    def refusal(self, piece: str) -> bytes:
        """Return a piece of a provider's own refusal; text, on a wire that does not tell it apart."""
        ...

    def reasoning(self, piece: str) -> bytes: ...

    def end(self, answer: Answer) -> bytes:
        """Return what is still to say, tool calls and further choices included, and the wire's own end."""
        ...

    def error(self, error: HeadgateError) -> bytes:
        """Return the proper end of a stream that cannot go on."""
        ...


class Edge(Protocol):
    """One wire. `path`: where it is served."""

    behaviour: int
    path: str

    def decode_request(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the neutral body, `model` and `stream` included. Raises InvalidInput naming the field."""
        ...

    def completion(self, answer: Answer, asked: Asked) -> dict[str, Any]:
        """Return the whole-answer body."""
        ...

    def encoder(self, asked: Asked) -> StreamEncoder:
        """Return what writes one streamed answer."""
        ...

    def error_body(self, error: HeadgateError) -> dict[str, Any]:
        """Return the error envelope of this wire; the hint is part of the message."""
        ...
