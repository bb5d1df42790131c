"""What is done once an answer has left: after the loop's next turn, for all answers of that turn at once. Used by the
gateway.

Work of one sort costs half as much when it is done in a row, and nobody waits for it. Whoever looks at what was
recorded has the rest done first (`catch_up`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger("headgate.afterwards")


class Afterwards:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def __call__(self, work: Callable[..., object], *about: Any) -> None:
        """Call `work(*about)` soon. What it raises is logged."""
        self._waiting.append((work, about))
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Let the loop hear who else has something to say, and answer it."""
        asyncio.get_running_loop().call_soon(self.catch_up)

    def catch_up(self) -> None:
        """Do what waits."""
        waiting, self._waiting = self._waiting, []
        for work, about in waiting:
            try:
                work(*about)
            except Exception:  # the boundary of a piece of work: the others are done all the same
                log.exception("what follows an answer failed")
