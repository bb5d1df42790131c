"""What is known of every target from earlier calls: health, retry budget, places. Called by `plan` and `generate`.

A service: one for each serving process, built by `platform` and shared by its requests. In memory only; `evidence`
is what it tells other processes, and `take` takes in what they tell. Evaluation brings none, so that each of its cases
stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from .breaker import Admission, Breaker, Outcome
from .lane import Lane
from .retries import Retries

LONGEST_REST_S = 300.0
_MOST = 1000

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Hint:
    """One target as this process sees it; seconds are from now. half_open: the next call is a probe, or one runs."""

    target: str
    state: State
    open_s: float
    resting_s: float
    in_flight: int
    waiting: int


class Target:
    """One `provider/model`. What `admit` or `probe` returned must be settled exactly once."""

    __slots__ = ("_heard_rest", "_monotonic", "_resting", "breaker", "in_flight", "lane", "name", "retries")

    def __init__(self, name: str, monotonic: Callable[[], float]) -> None:
        self.name, self._monotonic = name, monotonic
        self.breaker, self.retries, self.lane = Breaker(), Retries(), Lane()
        self.in_flight = 0
        self._resting = self._heard_rest = 0.0

    def blocked(self) -> str:
        """Return why no call may be made now, '' when one may: `rate_limited` or `breaker_open`."""
        if not self._resting and not self._heard_rest and not self.breaker.open:
            return ""
        now = self._monotonic()
        if now < self._resting or now < self._heard_rest:
            return "rate_limited"
        return "breaker_open" if self.breaker.blocked(now) else ""

    def admit(self) -> Admission | None:
        """Let a call pass, past a rest too: whoever asks has waited it out. None: the breaker is open."""
        admission = self.breaker.admit(self._monotonic())
        self.in_flight += admission is not None
        return admission

    def probe(self) -> Admission | None:
        """Let a call pass before its time; None while another one probes."""
        admission = self.breaker.probe()
        self.in_flight += admission is not None
        return admission

    def settle(self, admission: Admission, outcome: Outcome) -> None:
        """Learn from a call that has ended."""
        self.in_flight -= 1
        self.breaker.settle(admission, outcome, self._monotonic())

    def called(self) -> None:
        """Count a first call, on which the retry budget depends."""
        self.retries.called(self._monotonic())

    def may_retry(self) -> bool:
        """Draw one retry or hedged call; False when the budget is used up."""
        return self.retries.take(self._monotonic())

    def rest(self, seconds: float) -> None:
        """Remember that the provider asked to be left alone; 5 minutes are believed at most."""
        until = self._monotonic() + min(seconds, LONGEST_REST_S)
        self._resting = max(self._resting, until)

    def resting_s(self) -> float:
        """Return the seconds for which the provider asked to be left alone, from now."""
        until = max(self._resting, self._heard_rest)
        return max(until - self._monotonic(), 0.0) if until else 0.0

    def hear(self, hint: Hint) -> None:
        """Take in what another process knows: it skips this target for some time, or the provider asked for a rest."""
        now = self._monotonic()
        self.breaker.hear(now, hint.open_s)
        self._heard_rest = max(self._heard_rest, now + min(hint.resting_s, LONGEST_REST_S))

    def evidence(self) -> Hint | None:
        """Return what this process saw by itself and others may want to know; None when there is nothing."""
        now, seen = self._monotonic(), self.breaker.open and not self.breaker.hinted
        resting_s = max(self._resting - now, 0.0)
        if not seen and not resting_s:
            return None
        wait_s = self.breaker.wait_s(now) if seen else 0.0
        state: State = "closed" if not seen else "open" if wait_s else "half_open"
        return Hint(self.name, state, wait_s, resting_s, self.in_flight, self.lane.waiting)

    def hint(self) -> Hint:
        now = self._monotonic()
        wait_s = self.breaker.wait_s(now)
        state: State = "closed" if not self.breaker.open else "open" if wait_s else "half_open"
        return Hint(self.name, state, wait_s, self.resting_s(), self.in_flight, self.lane.waiting)


class Targets:
    """The targets that were asked, by `provider/model`: those that releases name, and of models that were addressed
    directly, by whatever name, only so many."""

    __slots__ = ("_known", "_monotonic")

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._known: dict[str, Target] = {}

    def of(self, name: str) -> Target:
        found = self._known.get(name)
        if found is None:
            if len(self._known) >= _MOST:
                self._forget()
            found = self._known[name] = Target(name, self._monotonic)
        return found

    def _forget(self) -> None:
        """Make room: whoever came first and is not asked now is known no more."""
        idle = (name for name, target in self._known.items() if not target.in_flight and not target.lane.waiting)
        if (oldest := next(idle, None)) is not None:
            del self._known[oldest]

    def snapshot(self) -> tuple[Hint, ...]:
        """Return what this process knows, sorted by target."""
        return tuple(self._known[name].hint() for name in sorted(self._known))

    def evidence(self) -> tuple[Hint, ...]:
        """Return what others may want to know, sorted by target: what is skipped, probed or at rest by what was seen
        here. What was only heard is not among it, so that no hint goes round in circles."""
        found = (self._known[name].evidence() for name in sorted(self._known))
        return tuple(hint for hint in found if hint is not None)

    def take(self, told: Iterable[Hint]) -> None:
        """Take in all that other processes tell now: each such target is skipped for the time told, never longer, and
        one that nobody speaks of any more is free again."""
        named = set()
        for hint in told:
            self.of(hint.target).hear(hint)
            if hint.state != "closed":
                named.add(hint.target)
        for name, target in self._known.items():
            if name not in named:
                target.breaker.relieve()
