"""Mends words of a question that the corpus does not know, when one letter makes them known. Called by stores.

Two words are near when deleting at most one letter from each makes them equal: one wrong, missing, added or swapped
letter (the symmetric deletions of W. Garbe's SymSpell, at distance one).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

_SHORTEST = 4


class Speller:
    """Knows the terms of one corpus and how often each occurs."""

    def __init__(self, terms: Iterable[str]) -> None:
        self._known = Counter(terms)
        self._near: dict[str, list[str]] = {}
        for term in self._known:
            if _mendable(term):
                for shape in _shapes(term):
                    self._near.setdefault(shape, []).append(term)

    def mend(self, term: str) -> str:
        """Return `term` when it is known or nothing is near, else the most frequent near term."""
        if term in self._known or not _mendable(term):
            return term
        near = {found for shape in _shapes(term) for found in self._near.get(shape, ())}
        return min(near, key=lambda found: (-self._known[found], found)) if near else term


def _mendable(term: str) -> bool:
    return _SHORTEST <= len(term) <= 24 and term.isalpha()


def _shapes(term: str) -> Iterator[str]:
    yield term
    for at in range(len(term)):
        yield term[:at] + term[at + 1 :]
