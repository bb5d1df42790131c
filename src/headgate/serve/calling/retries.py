"""How often and how soon a target is asked again. Called by `targets` and `generate`; it reads no clock.

Retries help when one call fails and harm when all do, so a target's retries are at most a fifth of its calls of the
last 10 s, and ten more for targets with little traffic. Source: the retry budgets of Finagle and of Google's SRE book;
the pause is "full jitter" (AWS Architecture Blog, Exponential Backoff And Jitter).
"""

from __future__ import annotations

import random

from .window import Window

WINDOW_S = 10.0
SHARE = 0.2
FLOOR = 10
PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


class Retries:
    """One target's retry budget; hedged calls draw on it too, since they are load that nobody asked for."""

    __slots__ = ("_window",)

    def __init__(self) -> None:
        self._window = Window(WINDOW_S)

    def called(self, now: float) -> None:
        """Count a first call."""
        self._window.add(now, 1, 0)

    def take(self, now: float) -> bool:
        """Draw one retry; False when the budget is used up."""
        calls, retries = self._window.sums(now)
        if retries + 1 > SHARE * calls + FLOOR:
            return False
        self._window.add(now, 0, 1)
        return True


def pause(again: int, retry_after: float | None) -> float:
    """Return the seconds before retry `again` (from 0): a little more than the provider says, else a random part."""
    if retry_after:
        return retry_after + random.uniform(0, PAUSE_S)
    return random.uniform(0, min(PAUSE_S * 2**again, LONGEST_PAUSE_S))
