"""From a plan to released text: generate, verify, and let nothing out that an output guard has not passed. Called by
`execute`. A stream whose answers must be verified is held back whole until they are (decision 18).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from headgate.guard import Outcome, OutputStream, inspect
from headgate.kernel import Grounding
from headgate.models import End

from .calling.attempt import Plan
from .calling.course import Unanswered
from .generate import generate
from .journey import Journey
from .verify import must_hold, verify


async def speak(journey: Journey, plan: Plan) -> AsyncGenerator[str, None]:
    """Yield the text that may leave; the journey then says what became of the answer."""
    plan.stream = journey.request.stream and not must_hold(journey)
    gate = OutputStream(journey.snapshot.policy) if plan.stream else None
    said = _Said()
    async with aclosing(_listen(journey, plan, said, gate)) as pieces:
        async for piece in pieces:
            yield piece
    if said.end is None and not said.blocked:
        if not journey.released:
            yield journey.snapshot.fallback
        return
    problem = verify(journey, said.text, said.end) if said.end else None
    piece = _guarded(journey, said.text, gate)
    if problem and not journey.released and journey.status != "blocked":
        journey.end(*problem)
        journey.rejected, piece = piece, journey.snapshot.fallback
    if piece:
        yield piece


class _Said:
    """What a model has said so far, and how it ended."""

    __slots__ = ("blocked", "end", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.end: End | None = None
        self.blocked = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)


async def _listen(journey: Journey, plan: Plan, said: _Said, gate: OutputStream | None) -> AsyncGenerator[str, None]:
    """Hear the model out, releasing what an open stream's guards have passed; stop it at once when one blocks."""
    with journey.stage("generate") as facts:
        facts["attempts"] = plan.attempts
        try:
            async with aclosing(generate(journey, plan)) as events:
                async for event in events:
                    if isinstance(event, End):
                        said.end = event
                        continue
                    said.pieces.append(event.text)
                    if gate is None:
                        continue
                    if piece := gate.feed(event.text):
                        yield piece
                    if gate.blocked:
                        said.blocked = True
                        return
        except Unanswered as problem:
            _unanswered(journey, problem)


def _unanswered(journey: Journey, problem: Unanswered) -> None:
    """No model gave a whole answer: the safe template when nothing has left, a text that breaks off otherwise."""
    if journey.released:
        journey.end("error", problem.code, "error")
    elif problem.code == "content_filter":
        journey.end("refused", problem.code)
    else:
        journey.end("safe", problem.code)


def _guarded(journey: Journey, text: str, gate: OutputStream | None) -> str:
    """Let the output guards look at the rest of a stream, or at the whole answer; return what may leave."""
    policy = journey.snapshot.policy
    with journey.stage("guard_output") as facts:
        outcome: Outcome = gate.finish() if gate else inspect(policy.output, text, "output")
        facts["verdicts"] = {verdict.guard: verdict.verdict for verdict in outcome.verdicts}
    journey.verdicts += outcome.verdicts
    if outcome.blocked is not None or outcome.text != text:
        _forget_sentences(journey)
    if outcome.blocked is None:
        return outcome.text
    journey.end("blocked", outcome.blocked.guard, "content_filter")
    journey.citations = ()
    if journey.released:
        return ""
    return journey.snapshot.replies.get(outcome.reply or "", journey.snapshot.fallback)


def _forget_sentences(journey: Journey) -> None:
    """Keep how well an answer was grounded, not the sentences that a guard did not let out as they were."""
    if journey.grounding is not None:
        journey.grounding = Grounding(journey.grounding.value)
