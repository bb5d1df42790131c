"""How well an answer stands on its sources, sentence by sentence, by the words and numbers that they share.

Called by `serve` to verify answers, and by the `grounded` scorer. It finds invented numbers and topics well. It cannot
tell a subtle contradiction or a swapped role from the truth, because the words are the same: `make bench` prints how
often. Lexical support is a lower bar than entailment, and is named grounding here only in that sense.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from headgate.kernel import Grounding, Passage

from .text import sentences

_WORD = re.compile(r"[^\W_]+(?:['’][a-z]+)?|[$€£]?\d[\d.,:/%]*")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_MARK = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")
_STOP = frozenset(
    ["a", "an", "and", "any", "are", "as", "at", "be", "been", "being", "but", "by", "can", "could", "did", "do", "does", "doing", "for", "from", "had", "has", "have", "having", "he", "her", "here", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just", "me", "more", "most", "my", "no", "nor", "not", "of", "off", "on", "once", "only", "or", "our", "out", "over", "own", "per", "please", "she", "should", "so", "some", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "through", "to", "too", "under", "until", "up", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom", "why", "will", "with", "would", "you", "your", "yours", "also", "may", "must", "s", "t", "re", "ll", "ve", "m", "d", "us"]
)
_NEGATIONS = re.compile(r"\b(?:no|not|never|none|cannot|without|neither|nor)\b|n['’]t\b", re.IGNORECASE)
_NEUTRAL = re.compile(
    r"^(?:hi|hello|hey|dear|thanks|thank you|you(?:'|’)?re welcome|sure|of course|certainly|great|sorry|i(?:'|’)?m sorry"
    r"|i do(?:n['’]t| not) know|i could(?:n['’]t| not) find|i am not sure|let me know|is there anything|here is|here are)\b",
    re.IGNORECASE,
)


def ground(answer_text: str, passages: Sequence[Passage]) -> Grounding:
    """Return the share of an answer's sentences' support, 0 … 1, and each sentence's support and source.

    Sentences that claim nothing (greetings, "I do not know") are left out; an answer of only such sentences is 1.
    A number that stands in no source makes a sentence unsupported; a negation that its source does not share halves it.
    """
    read = [(passage.source, _units(passage.text), passage.text) for passage in passages]
    found = []
    for sentence in sentences(_MARK.sub("", answer_text)):
        words = _content(sentence)
        if not words or _NEUTRAL.match(sentence.strip()):
            continue
        support, source = max(
            (_support(sentence, words, units) + (name,) for name, units, _ in read), default=(0.0, "")
        )
        found.append((sentence, round(support, 4), source if support > 0 else ""))
    value = sum(support for _, support, _ in found) / len(found) if found else 1.0
    return Grounding(round(value, 4), tuple(found))


def _support(sentence: str, words: frozenset[str], units: tuple[tuple[str, frozenset[str]], ...]) -> tuple[float]:
    """Return the best share of a sentence's words in a window of two neighbouring sentences of one source."""
    numbers = set(_NUMBER.findall(sentence))
    best = 0.0
    for index, (text, stems) in enumerate(units):
        after = units[index + 1] if index + 1 < len(units) else ("", frozenset[str]())
        window = stems | after[1]
        if numbers - set(_NUMBER.findall(f"{text} {after[0]}")):
            continue
        share = len(words & window) / len(words)
        if bool(_NEGATIONS.search(sentence)) != bool(_NEGATIONS.search(f"{text} {after[0]}")) and not (
            bool(_NEGATIONS.search(sentence)) == bool(_NEGATIONS.search(text))
        ):
            share /= 2
        best = max(best, share)
    return (best,)


@lru_cache(maxsize=4096)
def _units(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((sentence, _content(sentence)) for sentence in sentences(text))


def _content(text: str) -> frozenset[str]:
    return frozenset(_stems(word.lower() for word in _WORD.findall(text)))


def _stems(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        if word in _STOP:
            continue
        plain = word.strip(".,:/")
        for ending in ("ingly", "edly", "ing", "ies", "ied", "es", "ed", "ly", "s", "e"):
            if len(plain) - len(ending) >= 3 and plain.endswith(ending) and plain.isalpha():
                plain = plain[: -len(ending)]
                break
        yield plain
