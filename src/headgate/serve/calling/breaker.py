"""When a target is left alone: the circuit breaker of one `provider/model`. Called by `targets`; it reads no clock.

Closed, it counts. Once half of at least ten calls within 30 s have failed it opens: the target is skipped, for 5 s at
first and twice as long each time after, at most a minute. Then one call at a time may probe; the first that succeeds
closes it.

What other processes saw opens it too, for as long as they leave the target alone, then this one probes for itself. A
probe of ours that succeeds outweighs what was heard before it. Only what a process saw itself is told on.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

from .window import Window

WINDOW_S = 30.0
VOLUME = 10
RATE = 0.5
COOL_S = 5.0
LONGEST_COOL_S = 60.0
_SAME_S = 1.0
"""What is heard twice differs by less than this."""

Admission = Literal["closed", "probe"]


class Outcome(Enum):
    """How a call ended, as far as it tells about the target; `LEFT` tells nothing: we or the client broke it off."""

    OK = "ok"
    FAILED = "failed"
    LEFT = "left"


class Breaker:
    """One target's breaker. Every `admit` or `probe` that returned an admission must be settled exactly once."""

    __slots__ = ("_cool_s", "_heard", "_probing", "_until", "_window", "hinted")

    def __init__(self) -> None:
        self._window = Window(WINDOW_S)
        self._until: float | None = None
        self._probing = False
        self._cool_s = COOL_S
        self._heard = float("-inf")
        self.hinted = False
        """Whether it is open because others said so, and not by what this process saw."""

    @property
    def open(self) -> bool:
        return self._until is not None

    def blocked(self, now: float) -> bool:
        """Whether `admit` would turn a call away now."""
        return self._until is not None and (self._probing or now < self._until)

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next probe may be made, 0 when closed."""
        return 0.0 if self._until is None else max(self._until - now, 0.0)

    def admit(self, now: float) -> Admission | None:
        """Let a call pass, or return None: the target is to be skipped."""
        if self._until is None:
            return "closed"
        return None if now < self._until else self.probe()

    def probe(self) -> Admission | None:
        """Let one call pass before its time, because there is no better target; None while another one probes."""
        if self._until is None:
            return "closed"
        if self._probing:
            return None
        self._probing = True
        return "probe"

    def settle(self, admission: Admission, outcome: Outcome, now: float) -> None:
        """Learn from a call that has ended. Calls from before it opened teach an open breaker nothing."""
        if admission == "probe":
            self._probing = False
            self.hinted = self.hinted and outcome is Outcome.LEFT
            if outcome is Outcome.OK:
                self._until, self._cool_s = None, COOL_S
                self._window.clear()
            elif outcome is Outcome.FAILED:
                self._cool_s = min(self._cool_s * 2, LONGEST_COOL_S)
                self._until = now + self._cool_s
            return
        if self._until is not None or outcome is Outcome.LEFT:
            return
        failed = outcome is Outcome.FAILED
        self._window.add(now, 1, failed)
        if failed:
            calls, failures = self._window.sums(now)
            if calls >= VOLUME and failures >= RATE * calls:
                self._until = now + self._cool_s

    def hear(self, now: float, open_s: float) -> None:
        """Take in that another process leaves the target alone for so many seconds more, a minute at most."""
        until = now + min(open_s, LONGEST_COOL_S)
        if until <= self._heard + _SAME_S or until <= now:
            return
        self._heard = until
        if self._until is None:
            self._until, self.hinted = until, True
        elif not self._probing:
            self._until = max(self._until, until)

    def relieve(self) -> None:
        """Take in that no other process leaves the target alone any more; what was seen here stays."""
        if self.hinted and not self._probing:
            self._until, self.hinted = None, False
