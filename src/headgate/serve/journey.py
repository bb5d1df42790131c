"""One request on its way through `execute`: what happened so far, stage by stage, and the answer at its end.

Called by `execute` and the stages. It decides nothing and does no I/O; times come from the runtime's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from headgate.kernel import (
    Answer,
    Event,
    Grounding,
    HeadgateError,
    Passage,
    Reasoning,
    Request,
    Say,
    Stage,
    Status,
    SystemClock,
    Text,
    Usage,
    Verdict,
)

from .budget import Lease
from .route import Destination
from .runtime import Runtime
from .snapshot import Snapshot


class TurnedAway(Exception):
    """Wraps what `execute` raises instead of answering: the request is none, or its budget is used up."""

    def __init__(self, problem: HeadgateError) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Unheard(Exception):
    """Whoever was told what leaves could not take it: `__cause__` says why."""


class Journey(Struct, eq=False):
    """The mutable account of one request. `request` is the masked one as soon as the input guards have passed.

    refusing: what leaves now is the provider's own refusal.
    unreported_nano and unreported_tokens: what calls whose usage nobody reported may have used beyond the estimate:
    limits count it (P5).
    """

    snapshot: Snapshot
    request: Request
    runtime: Runtime
    say: Say | None = None
    monotonic: Callable[[], float] = SystemClock.monotonic
    started: float = 0.0
    started_at: float = 0.0
    masked: bool = False
    stages: list[Stage] = []
    verdicts: tuple[Verdict, ...] = ()
    destination: Destination | None = None
    label: str = ""
    model: str = ""
    reason: str = ""
    rejected: str = ""
    review_id: str = ""
    citations: tuple[str, ...] = ()
    passages: tuple[Passage, ...] = ()
    usage: Usage = Usage()
    cost_nano: int = 0
    attempts: int = 0
    away_us: int = 0
    first_us: int = 0
    leases: list[Lease] = []
    unreported_nano: int = 0
    unreported_tokens: int = 0
    grounding: Grounding | None = None
    extra: dict[str, Any] = {}
    released: list[str] = []
    refusing: bool = False
    status: Status = "answered"
    finish_reason: str = "stop"

    def __post_init__(self) -> None:
        clock = self.runtime.clock
        self.monotonic = clock.monotonic
        self.started, self.started_at = self.monotonic(), clock.now()

    def micros(self) -> int:
        """Microseconds since the request began."""
        return int((self.monotonic() - self.started) * 1_000_000)

    def stage(self, name: str) -> Watch:
        """Time a stage: `with journey.stage("route") as facts: facts["label"] = …`."""
        return Watch(self, name, self.monotonic())

    def end(self, status: Status, reason: str = "", finish_reason: str = "stop") -> None:
        self.status, self.reason, self.finish_reason = status, reason, finish_reason

    async def tell(self, text: str) -> None:
        """Let text leave; the first one ends the wait of whoever asked. Raises Unheard."""
        if not text:
            return
        if not self.released:
            self.first_us = self.micros()
        self.released.append(text)
        if self.say is not None:
            await self._said(Text(text, self.refusing))

    async def think(self, text: str) -> None:
        """Let reasoning leave. Raises Unheard."""
        if text and self.say is not None:
            await self._said(Reasoning(text))

    async def _said(self, event: Event) -> None:
        assert self.say is not None
        began = self.micros()
        try:
            await self.say(event)
        except Exception as problem:
            raise Unheard from problem
        finally:
            self.away_us += self.micros() - began

    def answer(self) -> Answer:
        """Return the answer: its text is exactly what was released."""
        took = self.micros()
        return Answer(
            text="".join(self.released),
            status=self.status,
            release=self.snapshot.digest,
            trace_id=self.request.id,
            route=self.destination.name if self.destination else "",
            label=self.label,
            model=self.model,
            finish_reason=self.finish_reason,
            usage=self.usage,
            cost_nano=self.cost_nano,
            attempts=self.attempts,
            citations=self.citations,
            passages=self.passages,
            verdicts=self.verdicts,
            grounding=self.grounding,
            reason=self.reason,
            review_id=self.review_id,
            stages=tuple(self.stages),
            latency_us=took,
            first_token_us=self.first_us,
            overhead_us=max(took - self.away_us, 0),
            extra=self.extra,
        )


class Watch(Struct, eq=False):
    """A running stage: a context manager that yields the stage's facts and records it when it ends, however it ends."""

    journey: Journey
    name: str
    began: float
    facts: dict[str, Any] = {}

    def __enter__(self) -> dict[str, Any]:
        return self.facts

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        journey, began = self.journey, self.began
        if kind is not None and kind is not GeneratorExit:
            self.facts.setdefault("error", kind.__name__)
        start, took = began - journey.started, journey.monotonic() - began
        journey.stages.append(Stage(self.name, int(start * 1_000_000), int(took * 1_000_000), self.facts))
