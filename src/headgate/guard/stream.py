"""Guarding an answer while it is being made: nothing leaves before the unit that holds it has passed (P11).

Called by the request path for streams. Letters and digits are counted, not characters, so that a banned text cannot be
stretched out of the window by spaces or invisible characters; a run without spaces is never cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from headgate.kernel import Verdict, VerdictName
from headgate.measure import Found, Reading, mask

from .checking import stops, verdict
from .guard import NOTHING, Finding
from .inspect import Outcome, attempt, inspect, masks
from .policy import Policy

_SENTENCE = re.compile(r"[.!?…。！？]+[\"'”’)\]]*\s+|\n\s*")
_SILENT = bytes(code for code in range(128) if not chr(code).isalnum())
_CONTEXT = 256
_STEP = 24
"""Guards look again once so many characters could leave: looking at every token would cost more than it gains."""
_TOKEN = 2048
_RANK = {"skipped": 0, "pass": 1, "mask": 2, "error_allowed": 3, "block": 4, "error_blocked": 5}


class OutputStream:
    """Takes an answer piece by piece and gives back what may leave.

    Guards that only observe or flag do not hold anything back: they look at the whole answer in the end.
    """

    def __init__(self, policy: Policy) -> None:
        self._guards = policy.output
        self._live = [(i, one) for i, one in enumerate(policy.output) if one.mode == "enforce" and one.action != "flag"]
        units = [guard.unit for _, guard in self._live]
        self._hold = max((unit for unit in units if isinstance(unit, int)), default=0)
        self._sentences, self._whole = "sentence" in units, "answer" in units
        self._looks_back = len(self._live) < len(self._guards)
        self._said: dict[int, Verdict] = {}
        self._heard: list[str] = []
        self._tail = ""
        self._pending = ""
        self._reply: str | None = None
        self.blocked: Verdict | None = None
        self.changed = False
        """Whether something that left was masked."""

    @property
    def size(self) -> int:
        """How many characters the guards will look at in the end."""
        return len(self._pending) + sum(map(len, self._heard))

    def feed(self, delta: str) -> str:
        """Take a piece of the answer; return what has passed every guard. After a block nothing comes any more."""
        if self.blocked is not None:
            return ""
        self._pending += delta
        if self._looks_back:
            self._heard.append(delta)
        if self._whole:
            return ""
        if not self._live:
            return self._taken(len(self._pending), [])
        least = 1 if self._sentences else _STEP
        if len(self._pending) < self._hold + least or _letters(self._pending[least:]) < self._hold:
            return ""
        cut = self._cut()
        return self._release(cut, last=False) if cut >= least else ""

    def finish(self) -> Outcome:
        """Return the rest of the text with a verdict of every guard, or what blocked it."""
        if self.blocked is not None:
            return self._stopped()
        rest = self._whole_text() if self._whole else self._release(len(self._pending), last=True)
        if self.blocked is not None:
            return self._stopped()
        if self._looks_back:
            self._look_back()
        return Outcome(rest, self._verdicts("pass"))

    def _whole_text(self) -> str:
        """Everything was held: look at it as a whole."""
        outcome = inspect([guard for _, guard in self._live], self._pending, "output")
        for (index, _), said in zip(self._live, outcome.verdicts, strict=True):
            self._note(index, said)
        self.changed = self.changed or outcome.text != self._pending
        self.blocked, self._reply, self._pending = outcome.blocked, outcome.reply, ""
        return outcome.text

    def _cut(self) -> int:
        """Return how much of the pending text is past every unit that is held back."""
        cut = len(self._pending)
        if self._sentences:
            ends = [found.end() for found in _SENTENCE.finditer(self._pending)]
            cut = ends[-1] if ends else 0
        if self._hold and cut:
            cut = min(cut, self._before_last(self._hold))
        return cut

    def _before_last(self, letters: int) -> int:
        """Return the place before the last `letters` letters and digits, moved back to where a word begins."""
        before = _letters(self._pending) - letters
        if before < 0:
            return 0
        places = (at for at, sign in enumerate(self._pending) if sign.isalnum())
        place = next(islice(places, before, None), 0)
        for at in range(place, max(0, place - _TOKEN), -1):
            if self._pending[at - 1].isspace():
                return at
        return place if place > _TOKEN else 0

    def _release(self, cut: int, last: bool) -> str:
        """Let the live guards look at what is pending, with what left before it, and release what may leave."""
        begin = len(self._tail)
        window = Reading(self._tail + self._pending)
        spans: list[Found] = []
        for index, guard in self._live:
            # a sentence guard looks at whole sentences; the others also at what is still held
            seen = Reading(window[: begin + cut]) if guard.unit == "sentence" and not last else window
            finding = attempt(guard, seen)
            if finding is NOTHING:
                self._note(index, verdict(guard, "output", finding))
                continue
            if isinstance(finding, Finding) and masks(guard, finding):
                if not finding.spans:
                    self._whole = True
                    return self._whole_text() if last else ""
                spans += [part for part in finding.spans if part.end > begin]
                finding = _counting(finding, [part for part in spans if part.end <= begin + cut])
            elif isinstance(finding, Finding) and finding.spans:
                grows = None if last else len(seen)
                finding = _counting(finding, _certain(finding.spans, begin, begin + cut, grows))
            said = verdict(guard, "output", finding)
            self._note(index, said)
            if stops(said):
                self.blocked, self._reply, self._pending = said, guard.reply, ""
                return ""
        return self._taken(cut, [Found(part.start - begin, part.end - begin, part.type) for part in spans])

    def _taken(self, cut: int, spans: Sequence[Found]) -> str:
        """Take the first `cut` characters out, masked; never through the middle of something that was found."""
        for part in sorted(spans, key=lambda part: -part.start):
            if part.start < cut < part.end:
                cut = max(0, part.start)
        raw = self._pending[:cut]
        self._pending = self._pending[cut:]
        self._tail = (self._tail + raw)[-_CONTEXT:]
        inside = [Found(max(0, part.start), part.end, part.type) for part in spans if 0 < part.end <= cut]
        self.changed = self.changed or bool(inside)
        return mask(raw, inside) if inside else raw

    def _note(self, index: int, said: Verdict) -> None:
        held = self._said.get(index)
        if held is None or _RANK[said.verdict] > _RANK[held.verdict]:
            self._said[index] = said

    def _look_back(self) -> None:
        whole = Reading("".join(self._heard))
        live = {index for index, _ in self._live}
        for index, guard in enumerate(self._guards):
            if index not in live:
                self._note(index, verdict(guard, "output", attempt(guard, whole)))

    def _verdicts(self, unseen: VerdictName) -> tuple[Verdict, ...]:
        return tuple(
            self._said.get(index) or Verdict(guard.name, "output", unseen, observed=guard.mode == "observe")
            for index, guard in enumerate(self._guards)
        )

    def _stopped(self) -> Outcome:
        return Outcome("", self._verdicts("skipped"), self.blocked, self._reply)


def _letters(text: str) -> int:
    """Return how many letters and digits a text holds."""
    if text.isascii():
        return len(text.encode("ascii").translate(None, _SILENT))
    return sum(map(str.isalnum, text))


def _certain(spans: Sequence[Found], begin: int, cut: int, growing_to: int | None) -> list[Found]:
    """Return what a block stands on: parts that have not left, and that cannot grow into something else any more.

    What ends where the text ends may still grow (`KEEP-2` into `KEEP-25`); it waits, unless it would leave now.
    """
    return [part for part in spans if part.end > begin and (part.end != growing_to or part.start < cut)]


def _counting(finding: Finding, parts: Sequence[Found]) -> Finding:
    """Return a finding that hits only when some of its parts count."""
    return finding if parts else NOTHING
