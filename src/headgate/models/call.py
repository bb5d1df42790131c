"""What every model provider takes and gives: a call in, deltas and exactly one end out, or an error.

Called by `serve`, which builds calls and reads events; providers implement `Provider`. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from headgate.kernel import Passage, Unavailable, Usage

from .prices import Price


class Call(Struct, frozen=True, gc=False):
    """One chat completion to make. `body` has the shape of OpenAI's chat API, parameters included, and is sent as is.

    passages: the sources that the prompt rendered, in the order of their numbers. examples: few-shot pairs
    (question, reply). timeout_s: the whole call, from connecting to the last byte.
    """

    model: str
    body: Mapping[str, Any]
    passages: tuple[Passage, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    stream: bool = False
    timeout_s: float = 30.0


class Delta(Struct, frozen=True, gc=False):
    """A piece of the answer: its text, or of the reasoning before it. Both empty: a piece of something else came (a
    tool call, say), which is part of the end and only shows that the provider is at work. refusal: the text is the
    provider's own refusal, which some wires tell apart."""

    text: str = ""
    reasoning: str = ""
    refusal: bool = False

    def and_then(self, more: Delta) -> Delta:
        """Return what two deltas say together."""
        return Delta(self.text + more.text, self.reasoning + more.reasoning, self.refusal or more.refusal)


class End(Struct, frozen=True, gc=False):
    """How the answer ended: exactly one, last.

    model and fingerprint are what the provider reports. `extra` holds what we have no opinion on, untouched: the
    whole `usage`, `message` fields other than its text (tool calls, refusal), further `choices`, unknown fields.
    """

    finish_reason: str
    usage: Usage
    model: str
    fingerprint: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def joined(events: Sequence[Delta | End]) -> list[Delta | End]:
    """Return events that came together as few: one delta for all that is said before the next thought, or the end."""
    found: list[Delta | End] = []
    reasoning: list[str] = []
    text: list[str] = []
    refusal = False
    for event in events:
        if isinstance(event, End):
            if reasoning or text:
                found.append(Delta("".join(text), "".join(reasoning), refusal))
            return [*found, event]
        if any(text) and (event.reasoning or event.refusal is not refusal):
            found.append(Delta("".join(text), "".join(reasoning), refusal))
            reasoning, text = [], []
        refusal = event.refusal
        reasoning.append(event.reasoning)
        text.append(event.text)
    return [*found, Delta("".join(text), "".join(reasoning), refusal)] if text else found


class ProviderError(Unavailable):
    """A provider did not answer.

    retryable: the same call may succeed later, or elsewhere; always False once text has been given out.
    retry_after: seconds that the provider asks to wait. upstream_status: its HTTP status, None without one (`status`
    stays ours, for edges). code: `provider_rate_limit`, `_timeout`, `_connection`, `_server`, `_protocol`, `_auth`,
    `_rejected`, or `content_filter`, which must never be tried elsewhere (P12). reached: False when the provider
    cannot have heard of the call, so that it bills nothing.
    """

    reached = True

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        code: str = "provider_server",
        retryable: bool = False,
        retry_after: float | None = None,
        upstream_status: int | None = None,
    ) -> None:
        super().__init__(message, hint, code=code)
        self.retryable = retryable
        self.retry_after = retry_after
        self.upstream_status = upstream_status


class Provider(Protocol):
    """Something that answers chat calls. Implementations are safe to share between tasks."""

    name: str

    def identity(self, model: str) -> dict[str, Any]:
        """The behavioural identity that a release pins: type, model, revision, behaviour; no address, no key."""
        ...

    def price(self, model: str) -> Price | None:
        """What a call costs, None when nobody knows."""
        ...

    def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        """Answer. Raises ProviderError; close the iterator (`contextlib.aclosing`) to cancel the call upstream.

        An iterator may have a method `together`, a coroutine that waits as `anext` does but returns all events that
        have come at the same time; who uses it uses nothing else, and need not close the iterator after the end.
        """
        ...

    async def close(self) -> None:
        """Close the connections that belong to the running event loop."""
        ...
