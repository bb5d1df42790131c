"""Output guards on a stream: no text leaves before the unit that holds it has passed (decision 18, P11).

Called by `serve` while a model speaks. What leaves ends at a sentence when a guard needs sentences, and stays as many
characters behind as the guard that looks furthest asks for; a guard on the whole answer holds everything to the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from headgate.kernel import Verdict

from .guard import Guard
from .inspection import Outcome, inspect
from .policy import Policy

_END = re.compile(r"[.!?…。！？][\"')\]]*\s+|\n+")
_CONTEXT = 512
_GRAVITY = {"pass": 0, "skipped": 0, "error_allowed": 1, "mask": 2, "block": 3, "error_blocked": 4}


class OutputStream:
    """One answer on its way out. `feed` returns what may leave now; `finish` the rest, and what every guard said."""

    def __init__(self, policy: Policy) -> None:
        self._guards: Sequence[Guard] = policy.output
        units = [guard.unit for guard in self._guards if guard.mode == "enforce"]
        self._whole = "answer" in units
        self._sentences = "sentence" in units
        self._behind = max((unit for unit in units if isinstance(unit, int)), default=0)
        self._maskers = tuple(guard for guard in self._guards if guard.action == "mask")
        self._stoppers = tuple(guard for guard in self._guards if guard.action != "mask")
        self._text = ""
        self._gone = 0
        self._said: dict[str, Verdict] = {}
        self._blocked: Outcome | None = None

    @property
    def blocked(self) -> Verdict | None:
        return self._blocked.blocked if self._blocked else None

    def feed(self, delta: str) -> str:
        """Take a piece of the model's text and return what may leave; nothing any more once a guard has blocked."""
        if self._blocked is not None:
            return ""
        self._text += delta
        if self._whole:
            return ""
        end = self._boundary()
        return self._pass(end) if end > self._gone else ""

    def finish(self) -> Outcome:
        """End the stream: the rest that may leave, every guard's gravest verdict, and what blocked, if one did."""
        rest = "" if self._blocked is not None else self._pass(len(self._text))
        verdicts = tuple(self._said.get(guard.name, Verdict(guard.name, "output", "pass")) for guard in self._guards)
        if self._blocked is None:
            return Outcome(rest, verdicts)
        return Outcome("", verdicts, self._blocked.blocked, self._blocked.reply)

    def _boundary(self) -> int:
        """Return up to where text may leave now."""
        limit = len(self._text) - self._behind
        if not self._sentences:
            return limit
        end = self._gone
        for found in _END.finditer(self._text, self._gone):
            if found.end() > limit or found.end() == len(self._text):
                break
            end = found.end()
        return end

    def _pass(self, end: int) -> str:
        """Look at everything not yet gone, with what went before as context; return the part up to `end`, masked."""
        stopped = inspect(self._stoppers, self._text[max(0, self._gone - _CONTEXT) :], "output")
        self._note(stopped)
        if stopped.blocked is not None:
            self._blocked = stopped
            return ""
        masked = inspect(self._maskers, self._text[self._gone : end], "output")
        self._note(masked)
        if masked.blocked is not None:
            self._blocked = masked
            return ""
        self._gone = end
        return masked.text

    def _note(self, outcome: Outcome) -> None:
        for verdict in outcome.verdicts:
            known = self._said.get(verdict.guard)
            if known is None or _GRAVITY[verdict.verdict] > _GRAVITY[known.verdict]:
                self._said[verdict.guard] = verdict
