"""Texts that say nearly the same: equal but for case, punctuation and at most one word added, left out or changed.

Called while a batch is checked. Deterministic and linear in the rows; a text is compared with all before it at once.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")
_MIN_WORDS = 6
_MAX_WORDS = 64
_MAX_ROWS = 100_000


class Seen:
    """The texts of one column so far. Rows beyond the first 100 000 are not compared: memory stays bounded."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        self._rows = 0

    def add(self, line: int, text: str) -> int | None:
        """Note a text and return the line of an earlier one that says nearly the same, None when there is none.

        Texts under 6 words only count when they are the same words; over 64 words as well.
        """
        if self._rows >= _MAX_ROWS:
            return None
        self._rows += 1
        words = tuple(_WORD.findall(text.casefold()))
        if not words:
            return None
        forms = [hash(words)]
        if _MIN_WORDS <= len(words) <= _MAX_WORDS:
            forms += [hash(words[:index] + words[index + 1 :]) for index in range(len(words))]
        before = next((self._first[form] for form in forms if form in self._first), None)
        for form in forms:
            self._first.setdefault(form, line)
        return before
