"""Text as words, content words and sentences, for embedding, searching and quoting.

Called by the `hashed` embedder, the `extractive` provider and `retrieve`. Changing it changes their answers: bump
their `behaviour`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from .stem import stem

_STOP = """
a able about actually after again all also am an and any anybody anyone are as at be because been before being but
by can cant could currently did didnt do does doesnt doing done dont exactly for from get gets getting give go goes
going got had has have having he hello help her here hey hi him his how i id if ill im in into is isnt it its ive
just kindly know let like lot make many may me mean might mine more most much must my myself need no not now of off
ok on once one only or other our out over own please possible really same say see shall she should so some someone
something still such take tell than thank thanks that the their them then there these they thing things this those
through to too under until up us use very want was way we well were what whats when where whether which while who
whom why will wish with wont would yes yet you your yours
"""
STOPWORDS = frozenset(_STOP.split())
"""Words that say little about what a question is about (English)."""

_REMEMBERED = 400
"""Characters of a text whose words are remembered: what clients send may be of any length, and must not fill memory."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_JOINED = re.compile(r"\b([a-z]{1,2})-(?=[a-z])")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9$€£])")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|etc|vs|cf|approx|nos|fig|mr|mrs|ms|dr|prof|inc|ltd|a\.m|p\.m|u\.s|[A-Z])\.$", re.IGNORECASE
)


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text in order: lower case, accents off, `e-mail` as one word, `1,000` as 1000."""
    return _remembered(text) if len(text) <= _REMEMBERED else _words(text)


@lru_cache(maxsize=4096)
def _remembered(text: str) -> tuple[str, ...]:
    return _words(text)


def _words(text: str) -> tuple[str, ...]:
    folded = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
    plain = _THOUSANDS.sub("", _JOINED.sub(r"\1", plain))
    return tuple(word.replace("'", "").replace("’", "") for word in _possessive_off(_WORD.findall(plain)))


def content_words(text: str) -> tuple[str, ...]:
    """Return the stems of the words that carry meaning, in order, repeats kept."""
    return tuple(stem(word) for word in words(text) if word not in STOPWORDS)


def sentences(text: str) -> list[str]:
    """Split plain text into sentences. Lines of a list are sentences; a line that leads a list in keeps its items."""
    found: list[str] = []
    for block in _blocks(text):
        start = 0
        for end in _END.finditer(block):
            piece = block[start : end.end()].strip()
            if _ABBREVIATION.search(piece):
                continue
            found.append(piece)
            start = end.end()
        if block[start:].strip():
            found.append(block[start:].strip())
    return found


def _blocks(text: str) -> list[str]:
    """Join wrapped lines, keep list items apart, and hang the items of a list on the line that introduces it."""
    blocks: list[str] = []
    fresh = True
    for line in text.split("\n"):
        if not line.strip():
            fresh = True
            continue
        item = _ITEM.match(line)
        content = line[item.end() :] if item else line
        content = " ".join(content.split())
        if item and blocks and _leads(blocks[-1]):
            blocks[-1] = f"{blocks[-1]} {content.rstrip('.;')};"
        elif fresh or item or not blocks:
            blocks.append(content)
        else:
            blocks[-1] = f"{blocks[-1]} {content}"
        fresh = False
    return [f"{block[:-1]}." if block.endswith(";") and _leads(block) else block for block in blocks]


def _leads(block: str) -> bool:
    """Whether a block is a line such as `To do so:`, with or without the items that were hung on it."""
    return block.endswith(":") or (block.endswith(";") and ": " in block and len(block) < 600)


def _possessive_off(found: list[str]) -> list[str]:
    return [word[:-2] if word.endswith(("'s", "’s")) else word for word in found]
