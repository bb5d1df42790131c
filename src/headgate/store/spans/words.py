"""Texts as they are searched: folded to words, so that case, accents and punctuation do not matter.

Called for what is stored and for what is asked, which therefore always agree. It knows no database.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence

_MOST_TEXT = 20_000
_WORD = re.compile(r"[^\W_]+")
_IDEOGRAPH = re.compile(
    "([\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff])"
)
_QUOTED = re.compile(r'"([^"]*)"?|([^"\s]+)')
_ASCII = {number: chr(number).lower() if chr(number).isalnum() else " " for number in range(128)}


def fold(text: str) -> str:
    """Return a text's words in small letters without accents, one space around each; '' without a word.

    Scripts that write no spaces are cut into single characters, so that a part of a sentence is found.
    """
    if text.isascii():
        words = text.translate(_ASCII).split()
    else:
        plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
        plain = _IDEOGRAPH.sub(r" \1 ", unicodedata.normalize("NFKC", plain.casefold()))
        words = _WORD.findall(plain)
    return f" {' '.join(words)} " if words else ""


def folded(texts: Iterable[str]) -> str:
    """Return the words of a conversation, as much of it as is searched."""
    return fold("\n".join(texts)[:_MOST_TEXT])[:_MOST_TEXT]


def asked(text: str) -> Sequence[str]:
    """Return what must occur: each word, and each part in double quotes as a whole; folded, a space around each."""
    parts = (fold(quoted or single) for quoted, single in _QUOTED.findall(text))
    return [part for part in parts if part]


def facet(name: str, value: str) -> str:
    """Return a word that stands for an exact value of a column or attribute in the index.

    Different values may share one: whoever finds a row by it looks at the row's own value too.
    """
    return f"zq{zlib.crc32(f'{name}={value}'.encode('utf-8', 'replace')):08x}"


def terms(parts: Iterable[str]) -> Iterator[str]:
    """Yield every single word of folded parts."""
    for part in parts:
        yield from part.split()
