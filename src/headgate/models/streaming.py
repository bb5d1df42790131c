"""Text in pieces, for providers that have the whole answer at once. Called by `extractive` and `scripted`."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\s*\S+\s*$|\s*\S+")


def pieces(text: str, stream: bool) -> list[str]:
    """Return `text` word by word when streaming, whole otherwise; joined, the pieces are the text again."""
    if not text:
        return []
    return _PIECE.findall(text) if stream else [text]
