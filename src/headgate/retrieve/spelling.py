"""Mends words of a question that the corpus does not know, when one letter makes them known. Called by stores.

Two words are near when deleting at most one letter from each makes them equal: one wrong, missing, added or swapped
letter (the symmetric deletions of W. Garbe's SymSpell, at distance one).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from headgate.models import content_words, words

_SHORTEST = 4


class Speller:
    """Knows the words of one corpus, their stems, and how often each word occurs."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._known = Counter(word for text in texts for word in words(text))
        self._stems = {stem for word in self._known for stem in content_words(word)}
        self._near: dict[str, list[str]] = {}
        for word in self._known:
            if _mendable(word):
                for shape in _shapes(word):
                    self._near.setdefault(shape, []).append(word)

    def stems(self, question: str) -> list[str]:
        """Return the stems of a question’s content words (of all words when it has none), unknown ones mended."""
        asked = [word for word in words(question) if content_words(word)] or list(words(question))
        mended = [self.mend(word) for word in asked]
        return list(dict.fromkeys(stem for word in mended for stem in content_words(word) or (word,)))

    def mend(self, word: str) -> str:
        """Return `word` when the corpus has it in some form or nothing is near, else the most frequent near word."""
        if word in self._known or self._stems.issuperset(content_words(word)) or not _mendable(word):
            return word
        near = {found for shape in _shapes(word) for found in self._near.get(shape, ())}
        return min(near, key=lambda found: (-self._known[found], found)) if near else word


def _mendable(word: str) -> bool:
    return _SHORTEST <= len(word) <= 24 and word.isalpha()


def _shapes(word: str) -> Iterator[str]:
    yield word
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]
