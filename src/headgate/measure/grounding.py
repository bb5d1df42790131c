"""How well an answer stands on its sources, sentence by sentence, by words, numbers and negations.

Called by the request path and the `grounded` scorer.

What it measures: whether the content words of a sentence (stems, stop words left out) stand close together in one
source, whether every number of the sentence stands there too, and whether sentence and source agree on negation. What
it cannot see: a contradiction in the same words, a wrong relation between right words, a paraphrase in other words.
On BEGIN (answers that mix in outside knowledge) it separates well, on SummEdits (single facts edited) it is barely
better than chance; `benchmarks/bench_detectors.py` prints both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from headgate.kernel import Grounding, Passage
from headgate.models import content_words, sentences, words

from .refusal import is_refusal

SUPPORTED = 0.6
"""A sentence counts as supported from this share of its content words on."""

_LONG = re.compile(r"\w{41,}+")
_MARK = re.compile(r"\s?\[\d{1,3}(?:\s*,\s*\d{1,3})*\]")
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|unable|impossible|\w+n['’]t|dont|cant|wont)\b",
    re.I,
)
_NEUTRAL = re.compile(
    r"^\W*(?:hello|hi|hey|dear|good (?:morning|afternoon|evening|day)|thanks?|thank you|you are welcome|"
    r"you're welcome|sure|of course|certainly|great question|i hope (?:this|that) helps|let me know|"
    r"please let me know|feel free|is there anything else|can i help|how can i help|i am sorry|i'm sorry|"
    r"sorry|best regards|goodbye|bye|have a (?:nice|great|good)|"
    r"according to (?:the|my|our) (?:source|sources|handbook|documents?)|"
    r"here is what i found)\b[^.!?:]{0,80}[.!?:]?\W*$",
    re.I,
)
_COUNT = "zero one two three four five six seven eight nine ten"
_SMALL = {name: str(number) for number, name in enumerate(_COUNT.split(" "))}
_WINDOW = 3
_JUDGED = 300
"""Of a longer answer the rest counts as unsupported: nobody reads it, and looking at it would cost."""


@dataclass(frozen=True, slots=True)
class _Window:
    source: str
    stems: frozenset[str]
    numbers: frozenset[str]
    negated: bool


def ground(answer_text: str, passages: Sequence[Passage]) -> Grounding:
    """Return the share of an answer's sentences that its sources support, and each sentence's support and source.

    Greetings and sentences that say "I do not know" are neutral and count as supported; so does an empty answer.
    """
    windows = [window for passage in passages for window in _windows(passage)]
    judged = []
    for index, sentence in enumerate(sentences(_short(_MARK.sub("", answer_text)))):
        support, source = _support(sentence, windows) if index < _JUDGED else (0.0, "")
        judged.append((sentence, round(support, 4), source))
    if not judged:
        return Grounding(1.0, ())
    return Grounding(sum(support >= SUPPORTED for _, support, _ in judged) / len(judged), tuple(judged))


def support(sentence: str, passages: Sequence[Passage]) -> float:
    """Return how much of one sentence its sources support, 0 … 1."""
    return _support(_short(sentence), [window for passage in passages for window in _windows(passage)])[0]


def _support(sentence: str, windows: Sequence[_Window]) -> tuple[float, str]:
    stems = {stem for stem in content_words(sentence) if not stem.isdigit()}
    numbers = _numbers(sentence, ones=False)
    if not (stems or numbers) or _NEUTRAL.match(sentence) or is_refusal(sentence):
        return 1.0, ""
    negated = bool(_NEGATION.search(sentence))
    best, source = 0.0, ""
    for window in windows:
        if not numbers <= window.numbers:
            continue
        value = len(stems & window.stems) / len(stems) if stems else 1.0
        if value >= SUPPORTED and negated != window.negated:
            value /= 2
        if value > best:
            best, source = value, window.source
    return best, source


@lru_cache(maxsize=4096)
def _windows(passage: Passage) -> tuple[_Window, ...]:
    """Cut a passage into overlapping runs of one to three sentences; its heading belongs to every one of them.

    Kept for passages seen lately: the same pages answer most questions, and cutting costs more than looking.
    """
    parts = sentences(_short(passage.text)) or [_short(passage.text)]
    heading = frozenset(content_words(passage.heading))
    stems = [frozenset(content_words(part)) for part in parts]
    numbers = [_numbers(part) for part in parts]
    negated = [bool(_NEGATION.search(part)) for part in parts]
    headed = _numbers(passage.heading)
    found = []
    for start in range(len(parts)):
        for end in range(start + 1, min(start + _WINDOW, len(parts)) + 1):
            found.append(
                _Window(
                    passage.source,
                    heading.union(*stems[start:end]),
                    headed.union(*numbers[start:end]),
                    any(negated[start:end]),
                )
            )
    return tuple(found)


def _short(text: str) -> str:
    """Cut what is too long for a word: stems of it say nothing, and cost."""
    return _LONG.sub(lambda found: found[0][:40], text)


def _numbers(text: str, ones: bool = True) -> frozenset[str]:
    """Return the numbers of a text in one spelling: 1,000 as 1000, 25.00 as 25, three as 3; `ones`: one as 1 too."""
    found = {_plain(number) for number in _NUMBER.findall(text)}
    spelled = {_SMALL[word] for word in words(text) if word in _SMALL and (ones or word != "one")}
    return frozenset(found | spelled)


def _plain(number: str) -> str:
    number = number.replace(",", "")
    return number.rstrip("0").rstrip(".") if "." in number else number
