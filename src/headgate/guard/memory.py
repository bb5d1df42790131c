"""Texts in which a guard found nothing: a conversation's history comes again with every turn, and costs a hash then.

Called by `inspect` for what clients send, and for built-in guards only: they say the same of the same text. No text is
kept, only a keyed digest, and of those a bounded number; the memory goes with the release that the guard belongs to.
"""

from __future__ import annotations

from hashlib import blake2b
from secrets import token_bytes

_KEY = token_bytes(32)
_MOST = 4096
"""How many digests one generation holds; the generation before it is kept, the one before that is dropped."""


def digest(text: str) -> bytes:
    """Return what stands for a text in memories of this process."""
    return blake2b(text.encode("utf-8", "surrogatepass"), key=_KEY, digest_size=16).digest()


class Memory:
    """Digests of texts, the latest 4096 to 8192 of them."""

    __slots__ = ("_new", "_old")

    def __init__(self) -> None:
        self._new: set[bytes] = set()
        self._old: set[bytes] = set()

    def __contains__(self, mark: bytes) -> bool:
        if mark in self._new:
            return True
        if mark not in self._old:
            return False
        self.add(mark)  # what still comes stays
        return True

    def add(self, mark: bytes) -> None:
        if len(self._new) >= _MOST:
            self._old, self._new = self._new, set()
        self._new.add(mark)
