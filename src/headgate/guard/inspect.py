"""All guards of one side over one whole text. Called by the request path for questions and for answers.

Every guard looks at the text as it came, so that no guard hides something from another; what they mask is joined.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from headgate.kernel import Verdict
from headgate.measure import Found, Reading, mask

from .checking import Fault, check, stops, verdict
from .guard import NOTHING, Finding, Guard, Side
from .memory import digest


class Outcome(Struct, frozen=True, gc=False):
    """What became of a text: the text that may go on (possibly masked, '' when blocked), a verdict of every guard, the
    verdict that blocked it, and the path of the prompt to reply with."""

    text: str
    verdicts: tuple[Verdict, ...] = ()
    blocked: Verdict | None = None
    reply: str | None = None


def inspect(guards: Sequence[Guard], text: str, side: Side) -> Outcome:
    """Let guards look at a text, in order; the first that blocks ends it, and those after it are `skipped`.

    A guard that fails blocks when it is enforced and is recorded as `error_allowed` when it observes (P10).
    """
    reading = Reading(text)
    mark = digest(text) if side == "input" else b""
    said: list[Verdict] = []
    spans: list[Found] = []
    late: list[Guard] = []
    for index, guard in enumerate(guards):
        finding = _found(guard, reading, mark)
        said.append(verdict(guard, side, finding))
        if finding is NOTHING:
            continue
        if stops(said[-1]):
            return blocked(guards, said, index)
        if isinstance(finding, Finding) and masks(guard, finding):
            spans += finding.spans
            if not finding.spans:
                late.append(guard)
    masked = mask(text, spans) if spans else text
    for guard in late:
        rewritten = _rewritten(guard, masked)
        if isinstance(rewritten, Fault):
            index = next(place for place, one in enumerate(guards) if one is guard)
            said[index] = verdict(guard, side, rewritten)
            return Outcome("", tuple(said), said[index], guard.reply)
        masked = rewritten
    return Outcome(masked, tuple(said))


def _found(guard: Guard, text: str, mark: bytes) -> Finding | Fault:
    """Let a guard look at a text, but not twice at one in which it found nothing. Without a mark it always looks."""
    if not mark or guard.memory is None:
        return attempt(guard, text)
    if mark in guard.memory:
        return NOTHING
    finding = attempt(guard, text)
    if finding is NOTHING:
        guard.memory.add(mark)
    return finding


def attempt(guard: Guard, text: str) -> Finding | Fault:
    """Return what a guard finds, or the fault; a masking guard that hit but says nothing of what to mask is a fault."""
    try:
        finding = check(guard, text)
    except Fault as fault:
        return fault
    if finding.hit and guard.action == "mask" and not finding.spans and finding.text is None:
        return Fault("found something to mask and did not say where")
    return finding


def masks(guard: Guard, finding: Finding) -> bool:
    """Whether a finding changes the text."""
    return finding.hit and guard.action == "mask" and guard.mode == "enforce"


def blocked(guards: Sequence[Guard], said: Sequence[Verdict], index: int) -> Outcome:
    """Return the outcome when guard `index` stopped the text: those after it did not look."""
    stopper = said[index]
    skipped = [
        Verdict(guard.name, stopper.side, "skipped", observed=guard.mode == "observe") for guard in guards[index + 1 :]
    ]
    return Outcome("", (*said, *skipped), stopper, guards[index].reply)


def _rewritten(guard: Guard, text: str) -> str | Fault:
    """Let a guard that masks without saying where look at the text that the others have masked."""
    finding = attempt(guard, text)
    if isinstance(finding, Fault):
        return finding
    if finding.hit and finding.spans:
        return mask(text, finding.spans)
    return finding.text if finding.hit and finding.text is not None else text
