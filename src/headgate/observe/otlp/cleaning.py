"""What may be kept of foreign spans' values: secrets and personal data masked, sizes bounded. Called by `translate`.

Most text holds neither, and looking has a price by the call: the texts of many spans are looked at together, each once,
and only where something was found is a text looked at alone. What is masked is therefore the same as one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from headgate.measure import Reading, find_pii, find_secrets, mask

_TEXT = 8_000
_ITEMS = 64
_DEPTH = 4
_APART = "\n\n.\n\n.\n\n"
"""Between two texts. No pattern joins letters or digits over it, and no word before it can excuse a number after it, so
that what is found in a text alone is found in the row too; what is found across it is settled by looking alone."""
_ROW = 30_000

Clean = Callable[[str], str]


class Cleaner:
    """Masks the texts of one export in two rounds: `note` every text, then `look`, then call it with a text."""

    def __init__(self) -> None:
        self._noted: dict[str, None] = {}
        self._masked: dict[str, str] = {}

    def note(self, text: str) -> str:
        """Remember a text; it comes back as it is."""
        self._noted[text] = None
        return text

    def look(self) -> bool:
        """Look at every noted text; return whether any of them must be masked."""
        for row in self._rows():
            joined = _APART.join(row)
            found = _found(joined)
            if not found:
                continue
            at = 0
            for text in row:
                end = at + len(text)
                if any(part.start < end + len(_APART) and part.end > at - len(_APART) for part in found):
                    self._alone(text)
                at = end + len(_APART)
        return bool(self._masked)

    def __call__(self, text: str) -> str:
        """Return a text as it may be stored."""
        return self._masked.get(text, text)

    def _rows(self) -> Iterator[list[str]]:
        """Yield texts to be looked at together; those with other letters are folded first, and go alone."""
        row: list[str] = []
        size = 0
        for text in self._noted:
            if not text.isascii():
                self._alone(text)
                continue
            row.append(text)
            size += len(text)
            if size > _ROW:
                yield row
                row, size = [], 0
        if row:
            yield row

    def _alone(self, text: str) -> None:
        if found := _found(text):
            self._masked[text] = mask(text, found)


def _found(text: str) -> list[Any]:
    reading = Reading(text)
    return [*find_secrets(reading), *find_pii(reading)]


def kept(value: Any, clean: Clean, depth: int = 0) -> Any:
    """Return a value that is safe to store: texts masked and cut, lists and mappings cut, too deep ones dropped."""
    if isinstance(value, str):
        return clean(value[:_TEXT])
    if isinstance(value, bool | int | float) or value is None:
        return value
    if depth >= _DEPTH:
        return "…"
    if isinstance(value, dict):
        items = list(value.items())[:_ITEMS]
        return {str(name)[:200]: kept(item, clean, depth + 1) for name, item in items}
    if isinstance(value, list | tuple):
        return [kept(item, clean, depth + 1) for item in value[:_ITEMS]]
    return clean(str(value)[:_TEXT])
