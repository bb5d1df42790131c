"""From a plan to released text: generate, verify, and let nothing out that an output guard has not passed. Called by
`execute`. A stream whose answers must be verified is held back whole until they are (decision 18).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeAlias

from headgate.guard import Outcome, OutputStream, gravest, inspect
from headgate.kernel import Grounding, Reasoning
from headgate.models import Delta, End
from headgate.serve.calling.attempt import Plan
from headgate.serve.calling.course import Unanswered
from headgate.serve.generate import generate
from headgate.serve.guarding.aside import aside
from headgate.serve.journey import Journey

from . import beside
from .verify import must_hold, verify

Piece: TypeAlias = str | Reasoning


async def speak(journey: Journey, plan: Plan) -> AsyncGenerator[Piece, None]:
    """Yield the text and the reasoning that may leave; the journey then says what became of the answer."""
    plan.stream = journey.request.stream and not must_hold(journey)
    said = _Said(OutputStream(journey.snapshot.policy) if plan.stream else None)
    async with aclosing(_listen(journey, plan, said)) as pieces:
        async for piece in pieces:
            yield piece
    if said.end is None and not said.blocked:
        if not journey.released:
            yield journey.snapshot.fallback
        return
    guards = journey.snapshot.policy.output
    if said.end is not None:
        for rest in await aside(guards, _thoughts_ended, journey, said):
            yield rest
    problem = verify(journey, said.text, said.end) if said.end else None
    piece = await aside(guards, _guarded, journey, said)
    if problem and not journey.released and journey.status != "blocked":
        if said.end is not None and beside.calls(said.end):
            journey.rejected, piece = piece, ""
        else:
            journey.end(*problem)
            journey.extra = {key: journey.extra[key] for key in journey.extra if key == "usage"}
            journey.rejected, piece = piece, journey.snapshot.fallback
    if piece:
        yield piece


class _Said:
    """What a model has said so far, and how it ended. gate: what holds back an open stream's text, None for a whole
    answer; `thoughts` holds back its reasoning, which comes first."""

    __slots__ = ("blocked", "end", "gate", "pieces", "reasoning", "thoughts")

    def __init__(self, gate: OutputStream | None) -> None:
        self.gate = gate
        self.thoughts: OutputStream | None = None
        self.pieces: list[str] = []
        self.reasoning: list[str] = []
        self.end: End | None = None
        self.blocked = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)


async def _listen(journey: Journey, plan: Plan, said: _Said) -> AsyncGenerator[Piece, None]:
    """Hear the model out, releasing what an open stream's guards have passed; stop it at once when one blocks."""
    guards = journey.snapshot.policy.output if said.gate is not None else ()
    with journey.stage("generate") as facts:
        facts["attempts"] = plan.attempts
        try:
            async with aclosing(generate(journey, plan)) as events:
                async for event in events:
                    if isinstance(event, End):
                        said.end = event
                        continue
                    for piece in await aside(guards, _passed, journey, said, event):
                        yield piece
                    if said.blocked:
                        return
        except Unanswered as problem:
            _unanswered(journey, problem)


def _passed(journey: Journey, said: _Said, delta: Delta) -> list[Piece]:
    """Take a delta; return what of an open stream may leave now."""
    passed: list[Piece] = []
    if delta.reasoning and said.gate is not None:
        if said.thoughts is None:
            said.thoughts = OutputStream(journey.snapshot.policy)
        if piece := said.thoughts.feed(delta.reasoning):
            passed.append(_thought(said, piece))
        said.blocked = said.thoughts.blocked is not None
    if delta.text and not said.blocked:
        passed += _thoughts_ended(journey, said)
        said.pieces.append(delta.text)
        if said.gate is not None and not said.blocked:
            if piece := said.gate.feed(delta.text):
                passed.append(piece)
            said.blocked = said.gate.blocked is not None
    return passed


def _thought(said: _Said, piece: str) -> Reasoning:
    said.reasoning.append(piece)
    return Reasoning(piece)


def _thoughts_ended(journey: Journey, said: _Said) -> list[Piece]:
    """Let out the rest of the reasoning, once: text follows it, or the end."""
    if said.thoughts is None or said.thoughts.blocked is not None:
        return []
    outcome = said.thoughts.finish()
    said.blocked = outcome.blocked is not None
    if not said.blocked:
        said.thoughts = None
        journey.verdicts = gravest(journey.verdicts, outcome.verdicts)
    return [_thought(said, outcome.text)] if outcome.text else []


def _unanswered(journey: Journey, problem: Unanswered) -> None:
    """No model gave a whole answer: the safe template when nothing has left, a text that breaks off otherwise."""
    if journey.released or not journey.snapshot.fallback:
        journey.end("error", problem.code, "error")
    elif problem.code == "content_filter":
        journey.end("refused", problem.code)
    else:
        journey.end("safe", problem.code)


def _guarded(journey: Journey, said: _Said) -> str:
    """Let the output guards look at the rest of a stream, or at the whole answer, and at what comes beside its text;
    return what may leave."""
    text = said.text
    with journey.stage("guard_output") as facts:
        outcome = _judged(journey, said)
        journey.verdicts = gravest(journey.verdicts, outcome.verdicts)
        blocked: Outcome | None = outcome if outcome.blocked is not None else None
        if blocked is None and said.end is not None:
            changed = said.gate.changed if said.gate is not None else outcome.text != text
            reasoning = "".join(said.reasoning) if said.gate is not None else None
            blocked = beside.released(journey, said.end, reasoning, changed)
        facts["verdicts"] = {one.guard: one.verdict for one in journey.verdicts if one.side == "output"}
    if blocked is not None or outcome.text != text:
        _forget_sentences(journey)
    if blocked is None or blocked.blocked is None:
        return outcome.text
    journey.end("blocked", blocked.blocked.guard, "content_filter")
    journey.citations = ()
    if journey.released:
        return ""
    return journey.snapshot.replies.get(blocked.reply or "", journey.snapshot.fallback)


def _judged(journey: Journey, said: _Said) -> Outcome:
    """Return what the guards make of the text, or of the reasoning when that is what they stopped."""
    if said.thoughts is not None and said.thoughts.blocked is not None:
        return said.thoughts.finish()
    return said.gate.finish() if said.gate else inspect(journey.snapshot.policy.output, said.text, "output")


def _forget_sentences(journey: Journey) -> None:
    """Keep how well an answer was grounded, not the sentences that a guard did not let out as they were."""
    if journey.grounding is not None:
        journey.grounding = Grounding(journey.grounding.value)
