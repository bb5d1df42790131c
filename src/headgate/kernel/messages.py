"""The neutral request, answer and events of the execution path: what edges, serve, evaluate and models share.

A body is a plain dict in the shape of OpenAI's chat completions, decoded once; unknown fields survive. `Request`
is a typed read-only view over the fields that we act on; edits are made on the dict by `with_messages`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

Status = Literal["answered", "refused", "blocked", "held", "safe", "error"]
"""answered: the model's text. refused: the app said that it cannot or will not. blocked: a guard stopped it.
held: a human will answer, the safe template was sent. safe: the fallback template. error: no answer."""

VerdictName = Literal["pass", "block", "mask", "error_blocked", "error_allowed", "skipped"]


class Request(Struct, frozen=True, gc=False):
    """One question to an app. `id` is the trace id; `subject` a keyed hash of the end user, never the name.

    size: bytes of the body as it was sent, 0 when nobody waits for others.
    """

    id: str
    body: Mapping[str, Any]
    key_id: str = ""
    session: str = ""
    subject: str = ""
    size: int = 0

    @property
    def messages(self) -> list[dict[str, Any]]:
        found = self.body.get("messages")
        return found if isinstance(found, list) else []

    @property
    def question(self) -> str:
        """The text of the last user message; other parts than text are left out."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return text_of(message.get("content"))
        return ""

    @property
    def stream(self) -> bool:
        return self.body.get("stream") is True

    def with_messages(self, messages: list[dict[str, Any]]) -> Request:
        return replace(self, body={**self.body, "messages": messages})


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or the text parts of a list of parts joined by newlines."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "\n".join(str(part) for part in parts)
    return ""


class Passage(Struct, frozen=True, gc=False):
    """A retrieved piece of a document: `source` is the page as the project names it (`corpus/device-returns`)."""

    source: str
    text: str
    heading: str = ""
    score: float = 0.0
    digest: str = ""


class Usage(Struct, frozen=True, gc=False):
    """Tokens of model calls; the provider's count is the truth, `estimated` says when it gave none."""

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
        )


class Verdict(Struct, frozen=True, gc=False):
    """What one guard said of one text; `error_*` verdicts are never recorded as `pass` (P10)."""

    guard: str
    side: Literal["input", "output"]
    verdict: VerdictName
    value: float = 0.0
    label: str = ""
    explanation: str = ""
    observed: bool = False


class Stage(Struct, frozen=True, gc=False):
    """One step of a request, a span when exported: offset and length in microseconds, facts as plain values."""

    name: str
    start_us: int
    took_us: int
    facts: Mapping[str, Any] = field(default_factory=dict)


class Grounding(Struct, frozen=True, gc=False):
    """How well an answer stands on its sources: the share of supported sentences, and each sentence's support."""

    value: float
    sentences: tuple[tuple[str, float, str], ...] = ()


class Answer(Struct, frozen=True, gc=False):
    """What a release answered, and everything needed to say why.

    extra: what the model gave beside its text, in OpenAI's words, all of it passed by the output guards: `message`
    (tool calls, reasoning, refusal …), `choice` (log-probabilities …), `choices` (further ones of `n`), `usage` as the
    provider counted, and fields that we do not know.
    """

    text: str
    status: Status
    release: str
    trace_id: str
    route: str = ""
    label: str = ""
    model: str = ""
    finish_reason: str = "stop"
    usage: Usage = Usage()
    cost_nano: int = 0
    attempts: int = 0
    citations: tuple[str, ...] = ()
    passages: tuple[Passage, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    grounding: Grounding | None = None
    reason: str = ""
    review_id: str = ""
    stages: tuple[Stage, ...] = ()
    latency_us: int = 0
    first_token_us: int = 0
    overhead_us: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


class Text(Struct, frozen=True, gc=False):
    """A piece of released answer text: it has passed every output guard. refusal: the provider said it as its own
    refusal, apart from what it says otherwise."""

    text: str
    refusal: bool = False


class Reasoning(Struct, frozen=True, gc=False):
    """A piece of released reasoning: it has passed every output guard, and is no part of the answer's text."""

    text: str


Event = Text | Reasoning
Say = Callable[[Event], Awaitable[None]]
"""Takes what leaves while it leaves; it may wait, and what it raises ends the request."""
