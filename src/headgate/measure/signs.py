"""What kinds of signs stand in a text: the questions that spare ordinary prose every closer look.

Called by `text` and the detectors. A "no" is certain; a "yes" only means: look closer. ASCII is asked at the speed of
C, as the same text with every sign replaced by its kind; any other text is always looked at.
"""

from __future__ import annotations

import re
import sys
from string import ascii_letters, digits, hexdigits

_PROSE = (ascii_letters + " \t\n\r.,;:'\"()?-").encode()
EVERY_SIGN = frozenset(map(chr, range(128)))
"""What a text that nobody has looked at may hold."""
_NONE: frozenset[str] = frozenset()


def _kinds(**signs: str) -> bytes:
    """Return a table that replaces signs by the name of their kind, and every other sign by a space."""
    kinds = {sign: kind.strip("_") for kind, group in signs.items() for sign in group}
    return bytes(ord(kinds.get(chr(code), " ")) for code in range(256))


_WORDS = _kinds(x=ascii_letters + digits)
_TOKENS = _kinds(x=ascii_letters + digits + "+/_-")
_HEXES = _kinds(x=hexdigits)
_NUMBERS = _kinds(x=digits)
_LETTERS_AND_DIGITS = _kinds(a=ascii_letters, _0=digits)
_LEET = _kinds(a=ascii_letters, _0=digits + "@$", _1="!|+")
_LONG = b"x" * 12
_LONG_RUN = re.compile(r"(?:[\w+/-]{0,11}+(?![\w+/-])[^\w+/-]++)*+[\w+/-]{12}")
# A pattern that begins with a rare sign is found at the speed of a search for that sign.
_DIGIT_AT_LETTER = re.compile(rb"0(?:a|(?<=a0))")
_SIGN_IN_WORD = re.compile(rb"1(?<=a1)a")
_TWO_AND_TWO = re.compile(rb"0(?<=aa0)0")
_SPACED = re.compile(rb" x {1,6}x {1,6}x")
_SPACED_ANY = re.compile(r"[\W_][^\W_][\W_]{1,6}[^\W_][\W_]")


def odd_signs(text: str) -> frozenset[str]:
    """Return the signs of a text beside letters, spaces and the usual marks of prose; every ASCII sign for a text that
    holds others, so that whoever asks for one looks closer."""
    if not text.isascii():
        return EVERY_SIGN
    odd = text.encode("ascii").translate(None, _PROSE)
    return frozenset(odd.decode("ascii")) if odd else _NONE


def has_long_run(text: str) -> bool:
    """Whether 12 letters, digits or signs of a token stand in a row; ordinary prose has few such words."""
    if text.isascii():
        return _LONG in text.encode("ascii").translate(_TOKENS)
    return _LONG_RUN.match(text) is not None


def may_be_spaced(text: str) -> bool:
    """Whether single letters stand in a row, as in a word that was spaced out."""
    if text.isascii():
        return _SPACED.search(text.encode("ascii").translate(_WORDS)) is not None
    return _SPACED_ANY.search(text) is not None


def may_be_hexadecimal(text: str) -> bool:
    """Whether six bytes may stand in a row, by whatever they are kept apart."""
    return not text.isascii() or _LONG in text.encode("ascii").translate(_HEXES, b" :,;-\\x")


def may_be_leet(text: str) -> bool:
    """Whether a digit or a sign that is read as a letter touches a letter."""
    if not text.isascii():
        return True
    kinds = text.encode("ascii").translate(_LEET)
    return _DIGIT_AT_LETTER.search(kinds) is not None or _SIGN_IN_WORD.search(kinds) is not None


def digits_in_a_row(text: str) -> int:
    """Return how many digits stand in a row, at most, with nothing between them but what people put into numbers."""
    if not text.isascii():
        return sys.maxsize
    return max(map(len, text.encode("ascii").translate(_NUMBERS, b" ().-/").split()), default=0)


def letters_before_digits(text: str) -> bool:
    """Whether two digits follow two letters, as at the beginning of an account's number."""
    if not text.isascii():
        return True
    return _TWO_AND_TWO.search(text.encode("ascii").translate(_LETTERS_AND_DIGITS)) is not None
