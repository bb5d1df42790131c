"""Where guards look: in place at a short text when all are built in; on a thread when one is a stranger's, for that may
take 250 ms or hang, and when a text is long. Nobody else's request may stand still for it.

Called by `execute`, `telling`, guards alone and embeddings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from headgate.guard import Guard

from .looks import LONG, Looks

T = TypeVar("T")


async def aside(guards: Sequence[Guard], about: tuple[int, Looks], look: Callable[..., T], *given: object) -> T:
    """Return what `look` returns; it must touch nothing that another task of this request touches meanwhile.

    about: how long the text is, about, and who looks at long ones.
    """
    size, looks = about
    if size > LONG:
        return await looks.at(size, lambda: look(*given))
    for guard in guards:
        if not guard.trusted:
            return await asyncio.to_thread(look, *given)
    return look(*given)
