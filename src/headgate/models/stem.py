"""English word stems, so that *returned*, *returns* and *returning* meet. Called by `words`.

Source: M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980; SQLite's FTS5 uses the same rules.
Changing it changes the answers of `extractive` and the vectors of `hashed`: bump their `behaviour`.
"""

from __future__ import annotations

import re
from functools import lru_cache

_STEP2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "abli": "able", "alli": "al",
    "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al",
    "iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble",
}  # fmt: skip
_STEP3 = {"icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": ""}
_STEP4 = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
)  # fmt: skip
_RUNS = re.compile("V+C+")
_REMEMBERED = 40
"""Letters of a word that is remembered: clients make words up, of any length, and they must not fill memory."""


def stem(word: str) -> str:
    """Return the stem of a lower-case word; words that are short or not plain a to z stay as they are."""
    return _remembered(word) if len(word) <= _REMEMBERED else _stem(word)


@lru_cache(maxsize=8192)
def _remembered(word: str) -> str:
    return _stem(word)


def _stem(word: str) -> str:
    if len(word) < 3 or not (word.isascii() and word.isalpha()):
        return word
    for step in (_plural, _past, _final_y, _step2, _step3, _step4, _final_e):
        word = step(word)
    return word


def _shape(text: str) -> str:
    """Write a word as consonants and vowels: `y` after a consonant is a vowel."""
    shape = ""
    for letter in text:
        vowel = letter in "aeiou" or (letter == "y" and shape.endswith("C"))
        shape += "V" if vowel else "C"
    return shape


def _measure(text: str) -> int:
    return len(_RUNS.findall(_shape(text)))


def _short_end(text: str) -> bool:
    return _shape(text).endswith("CVC") and text[-1] not in "wxy"


def _plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        rest = word.removesuffix(suffix)
        if rest != word and "V" in _shape(rest):
            return _mended(rest)
    return word


def _mended(rest: str) -> str:
    if rest.endswith(("at", "bl", "iz")):
        return rest + "e"
    if len(rest) > 1 and rest[-1] == rest[-2] and _shape(rest)[-1] == "C" and rest[-1] not in "lsz":
        return rest[:-1]
    return rest + "e" if _measure(rest) == 1 and _short_end(rest) else rest


def _final_y(word: str) -> str:
    return word[:-1] + "i" if word.endswith("y") and "V" in _shape(word[:-1]) else word


def _replace(word: str, table: dict[str, str]) -> str:
    for suffix in sorted(table, key=len, reverse=True):
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            return rest + table[suffix] if _measure(rest) > 0 else word
    return word


def _step2(word: str) -> str:
    return _replace(word, _STEP2)


def _step3(word: str) -> str:
    return _replace(word, _STEP3)


def _step4(word: str) -> str:
    for suffix in sorted(_STEP4, key=len, reverse=True):
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            allowed = suffix != "ion" or rest.endswith(("s", "t"))
            return rest if _measure(rest) > 1 and allowed else word
    return word


def _final_e(word: str) -> str:
    if word.endswith("e"):
        rest = word[:-1]
        size = _measure(rest)
        if size > 1 or (size == 1 and not _short_end(rest)):
            word = rest
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
