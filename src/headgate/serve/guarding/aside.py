"""Where guards look: in place when all are built in, on a thread when one is a stranger's, for that may take 250 ms or
hang, and nobody else's request may stand still for it. Called by `execute` and `telling`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from headgate.guard import Guard

P = ParamSpec("P")
T = TypeVar("T")


async def aside(guards: Sequence[Guard], look: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Return what `look` returns; it must touch nothing that another task of this request touches meanwhile."""
    for guard in guards:
        if not guard.trusted:
            return await asyncio.to_thread(look, *given, **named)
    return look(*given, **named)
