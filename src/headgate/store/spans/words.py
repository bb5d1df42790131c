"""Texts as they are searched: folded to words, so that case, accents and punctuation do not matter.

Called for what is stored and for what is asked, which therefore always agree. It knows no database.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence

MOST_TEXT = 20_000
"""Characters of a conversation that are searched."""
_OTHER = re.compile(r"[\W_]")
_IDEOGRAPH = re.compile("[\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_JOINED = re.compile(
    "[\u09be\u09d7\u0b3e\u0b56\u0b57\u0bbe\u0bd7\u0cc2\u0cd5\u0cd6\u0d3e\u0d57\u0dcf\u0ddf\u0fb5\u0fb7\u102e\u1161-\u1175"
    "\u11a8-\u11c2\u1b35\u3131-\u3163\uffa1-\uffdc\U00011127\U0001133e\U00011357\U000114b0\U000114ba\U000114bd"
    "\U000115af\U00011930]"
)
"""Characters, of Korean and of Indic scripts, that may become one with the character before."""
_QUOTED = re.compile(r'"([^"]*)"?|([^"\s]+)')
_JOINS = "\0"
_MOST_LETTERS = 20_000


class _Letters(dict[int, str]):
    """What each character becomes, by its number; worked out when it first occurs."""

    def __missing__(self, number: int) -> str:
        found = _JOINS if _JOINED.match(chr(number)) else _plain(chr(number))
        if len(self) < _MOST_LETTERS:
            self[number] = found
        return found


def _plain(text: str) -> str:
    """Return a text in small letters without accents, all that is no part of a word as spaces."""
    bare = "".join([char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)])
    spaced = _IDEOGRAPH.sub(r" \g<0> ", unicodedata.normalize("NFKC", bare.casefold()))
    return _OTHER.sub(" ", spaced)


_LETTERS = _Letters()
_ASCII = {number: _plain(chr(number)) for number in range(128)}


def fold(text: str) -> str:
    """Return a text's words in small letters without accents, one space around each; '' without a word.

    Scripts that write no spaces are cut into single characters, so that a part of a sentence is found.
    """
    if text.isascii():
        plain = text.translate(_ASCII)
    else:  # character by character takes half of the time, and is the same unless some of them join
        plain = text.translate(_LETTERS)
        plain = _plain(text) if _JOINS in plain else plain
    plain = f" {plain} "
    while "  " in plain:
        plain = plain.replace("  ", " ")
    return "" if plain == " " else plain


def folded(text: str) -> str:
    """Return the words of a conversation, as much of it as is searched."""
    return fold(text[:MOST_TEXT])[:MOST_TEXT]


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
