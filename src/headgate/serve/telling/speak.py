"""From a plan to released text: generate, verify, and let nothing out that an output guard has not passed. Called by
`execute`. A stream whose answers must be verified is held back whole until they are (decision 18).
"""

from __future__ import annotations

from headgate.guard import Outcome, OutputStream, gravest, inspect
from headgate.kernel import Grounding
from headgate.models import Delta, End
from headgate.serve.calling.attempt import Plan
from headgate.serve.calling.course import Unanswered
from headgate.serve.generate import generate
from headgate.serve.guarding.aside import aside
from headgate.serve.guarding.looks import Looks
from headgate.serve.journey import Journey

from . import beside
from .verify import must_hold, verify


async def speak(journey: Journey, plan: Plan) -> None:
    """Tell the text and the reasoning that may leave; the journey then says what became of the answer."""
    plan.stream = journey.request.stream and not must_hold(journey)
    said = _Said(journey, OutputStream(journey.snapshot.policy) if plan.stream else None)
    await _listen(journey, plan, said)
    if said.end is None and not said.blocked:
        if not journey.released:
            await journey.tell(journey.snapshot.fallback)
        return
    problem = None
    if said.end is not None:
        await said.end_thoughts()
        problem = verify(journey, said.text, said.end)
    piece = await aside(journey.snapshot.policy.output, said.about(said.size), _guarded, journey, said)
    if problem and not journey.released and journey.status != "blocked":
        if said.end is not None and beside.calls(said.end):
            journey.rejected, piece = piece, ""
        else:
            journey.end(*problem)
            journey.extra = {key: journey.extra[key] for key in journey.extra if key == "usage"}
            journey.rejected, piece = piece, journey.snapshot.fallback
    journey.refusing = bool((journey.extra.get("message") or {}).get("refusal"))
    await journey.tell(piece)


class Stopped(Exception):
    """A guard has stopped the stream: nothing more needs to be heard."""


class _Said:
    """What a model has said so far, and how it ended. gate: what holds back an open stream's text, None for a whole
    answer; `thoughts` holds back its reasoning, which comes first."""

    __slots__ = ("blocked", "end", "gate", "guards", "journey", "pieces", "reasoning", "thoughts")

    def __init__(self, journey: Journey, gate: OutputStream | None) -> None:
        self.journey, self.gate = journey, gate
        self.guards = journey.snapshot.policy.output
        self.thoughts: OutputStream | None = None
        self.pieces: list[str] = []
        self.reasoning: list[str] = []
        self.end: End | None = None
        self.blocked = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def size(self) -> int:
        """About how long it is, with what comes beside the text: a token is four characters."""
        text, end = sum(map(len, self.pieces)), self.end
        return text if end is None or not end.extra else max(text, 4 * end.usage.output_tokens)

    def about(self, size: int) -> tuple[int, Looks]:
        return size, self.journey.runtime.looks

    async def hear(self, delta: Delta) -> None:
        """Take a delta; of an open stream, let out what its guards have passed. Raises Stopped when one blocks."""
        if self.gate is None:
            if delta.text:
                self.pieces.append(delta.text)
            return
        if delta.reasoning:
            await self._think(delta.reasoning)
        if delta.text:
            await self.end_thoughts()
            self.pieces.append(delta.text)
            self.journey.refusing = delta.refusal
            if piece := await aside(self.guards, self.about(len(delta.text)), self.gate.feed, delta.text):
                await self.journey.tell(piece)
            self._stop_at(self.gate)

    async def end_thoughts(self) -> None:
        """Let out the rest of the reasoning, once: text follows it, or the end."""
        if self.thoughts is None or self.thoughts.blocked is not None:
            return
        outcome = await aside(self.guards, self.about(self.thoughts.size), self.thoughts.finish)
        if outcome.blocked is not None:
            self.blocked = True
            return
        self.thoughts = None
        self.journey.verdicts = gravest(self.journey.verdicts, outcome.verdicts)
        self.reasoning.append(outcome.text)
        await self.journey.think(outcome.text)

    async def _think(self, piece: str) -> None:
        if self.thoughts is None:
            self.thoughts = OutputStream(self.journey.snapshot.policy)
        if passed := await aside(self.guards, self.about(len(piece)), self.thoughts.feed, piece):
            self.reasoning.append(passed)
            await self.journey.think(passed)
        self._stop_at(self.thoughts)

    def _stop_at(self, gate: OutputStream) -> None:
        if self.blocked or gate.blocked is not None:
            self.blocked = True
            raise Stopped


async def _listen(journey: Journey, plan: Plan, said: _Said) -> None:
    """Hear the model out; stop it at once when a guard blocks."""
    with journey.stage("generate") as facts:
        facts["attempts"] = plan.attempts
        try:
            said.end = await generate(journey, plan, said.hear)
        except Unanswered as problem:
            _unanswered(journey, problem)
        except Stopped:
            return


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
