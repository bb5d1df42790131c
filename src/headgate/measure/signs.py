"""What kinds of signs stand in a text: the questions that spare ordinary prose every closer look.

Called by `text` and the detectors. A "no" is certain; a "yes" only means: look closer. A text is asked at the speed of
C, as the same text with every sign replaced by its kind; a sign that is not ASCII counts as whatever is asked for.
"""

from __future__ import annotations

import re
from string import ascii_letters, digits, hexdigits

_PROSE = (ascii_letters + " \t\n\r.,;:'\"()?-").encode()
FOREIGN = "\x80"
"""Stands for every sign that is not ASCII."""
EVERY_SIGN = frozenset([*map(chr, range(128)), FOREIGN])
"""What a text that nobody has looked at may hold."""
_NONE: frozenset[str] = frozenset()


def _kinds(**signs: str) -> bytes:
    """Return a table that replaces signs by the name of their kind, and every other sign by a space."""
    kinds = {sign: kind.strip("_") for kind, group in signs.items() for sign in group}
    return bytes(ord(kinds.get(chr(code), " ")) for code in range(256))


# Encoding replaces a sign that is not ASCII by a question mark.
_WORDS = _kinds(x=ascii_letters + digits)
_WORDS_OR_FOREIGN = _kinds(x=ascii_letters + digits, f="?")
_TOKENS = _kinds(x=ascii_letters + digits + "+/_-?")
_HEXES = _kinds(x=hexdigits)
_DIGITS = _kinds(a=ascii_letters, _0=digits, g=" ().-/")
_DIGITS_OR_FOREIGN = _kinds(a=ascii_letters, _0=digits + "?", g=" ().-/")
_LEET = _kinds(a=ascii_letters, _0=digits + "@$", _1="!|+")
# A pattern that begins with a rare sign is found at the speed of a search for that sign.
_DIGIT_AT_LETTER = re.compile(rb"0(?:a|(?<=a0))")
_SIGN_IN_WORD = re.compile(rb"1(?<=a1)a")
_TWO_AND_TWO = re.compile(rb"0(?<=aa0)0")
_ROWS = tuple((count, re.compile(rb"0(?:g*+0){%d}" % (count - 1))) for count in (12, 9, 6))
_SPACED = re.compile(rb" x {1,6}x {1,6}x")
_SPACED_OR_FOREIGN = re.compile(rb"[ f][xf][ f]{1,6}[xf][ f]{1,6}[xf]")


def odd_signs(text: str) -> frozenset[str]:
    """Return the ASCII signs of a text beside letters, spaces and the usual marks of prose, and `FOREIGN` for all that
    is not ASCII."""
    plain = text.isascii()
    odd = text.encode("ascii", "ignore").translate(None, _PROSE)
    if plain and not odd:
        return _NONE
    return frozenset(odd.decode("ascii") if plain else odd.decode("ascii") + FOREIGN)


def has_run(text: str, length: int) -> bool:
    """Whether so many letters, digits or signs of a token may stand in a row; ordinary prose has few long words."""
    return b"x" * length in _asked(text, _TOKENS)


def may_be_spaced(text: str) -> bool:
    """Whether single letters stand in a row, as in a word that was spaced out."""
    if text.isascii():
        return _SPACED.search(_asked(text, _WORDS)) is not None
    return _SPACED_OR_FOREIGN.search(_asked(text, _WORDS_OR_FOREIGN)) is not None


def may_be_hexadecimal(text: str) -> bool:
    """Whether six bytes may stand in a row, by whatever they are kept apart."""
    return b"x" * 12 in _asked(text, _HEXES, b" :,;-\\x")


def may_be_leet(text: str) -> bool:
    """Whether a digit or a sign that is read as a letter touches a letter."""
    kinds = _asked(text, _LEET)
    return _DIGIT_AT_LETTER.search(kinds) is not None or _SIGN_IN_WORD.search(kinds) is not None


def among_digits(text: str) -> bytes:
    """Return a text by its kinds: `0` for a digit, `a` for a letter, `g` for what people put between digits."""
    return _asked(text, _DIGITS if text.isascii() else _DIGITS_OR_FOREIGN)


def digits_in_a_row(kinds: bytes) -> int:
    """Return whether 12, 9 or 6 digits may stand in a row, with nothing between them but what numbers hold; else 0."""
    if not _ROWS[-1][1].search(kinds):
        return 0
    return next(count for count, row in _ROWS if row.search(kinds))


def letters_before_digits(kinds: bytes) -> bool:
    """Whether two digits follow two letters, as at the beginning of an account's number."""
    return _TWO_AND_TWO.search(kinds) is not None


def _asked(text: str, kinds: bytes, without: bytes = b"") -> bytes:
    return text.encode("ascii", "replace").translate(kinds, without)
