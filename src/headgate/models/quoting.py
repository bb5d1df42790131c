"""Answering by quotation: which sentences of numbered passages answer a question, or that none does.

Called by the `extractive` provider and the stand-in server of `headgate.testing`. Lexical and deterministic: it
weighs shared words by how rare they are in the passages, forgives inflection, typos and a short list of everyday
synonyms, and knows what kind of answer *how much*, *when* and *who* want. It understands nothing beyond that.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from headgate.kernel import Passage

from .synonyms import group
from .words import content_words, sentences, words

CANNOT = "I could not find that in the sources I have."
"""What an answer by quotation says when nothing supports one; callers recognise the refusal by this text."""

MIN_SUPPORT = 0.5
"""The share of a question's weight that a sentence, with its heading, must carry to answer it."""

_STORY_SUPPORT, _STORY_WORDS = 0.3, 4
_WRONG_KIND = 0.7
_SAME, _ALIKE, _HEADING, _NEAR = 1.0, 0.85, 0.75, 0.4
_FOLLOW = re.compile(
    r"^(and|but|or|so|what about|how about|what if|then|ok)\b|\b(it|they|that|those|this|one|there)\b", re.I
)
_NUMBER = re.compile(
    r"\d|\b(?:free|no charge|one|two|three|four|five|six|seven|eight|nine|ten|once|twice|unlimited)\b", re.I
)
_TIME = re.compile(
    r"\d\s*(?:a\.?m|p\.?m)\b|\d{1,2}:\d\d|\b(?:minute|hour|day|week|month|year|monday|tuesday|wednesday|thursday|friday"
    r"|saturday|sunday|january|february|march|april|june|july|august|september|october|november|december|immediately"
    r"|midnight|noon|instantly|daily|today|tomorrow)s?\b|\b(?:19|20)\d\d\b",
    re.I,
)
_ASKING = re.compile(r"\bhow (?:much|many|long|soon|late|often|quickly|early|far)\b", re.I)
"""Words that ask for a kind of answer and never stand in it."""
_CUES = (
    (
        re.compile(r"\bhow (?:much|many|fast|big|large|high|old|far)\b|\b(?:price|cost|costs|fee|charge)\b", re.I),
        _NUMBER,
    ),
    (re.compile(r"\bhow (?:long|soon|late|often|quickly|early)\b|\bwhen\b|\bwhat time\b|\bdeadline\b", re.I), _TIME),
)


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence that answers, the 1-based number of its passage, and the share of the question that it carries."""

    text: str
    number: int
    support: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    number: int
    order: int
    stems: frozenset[str]
    heading: frozenset[str]
    near: frozenset[str]


def quote(question: str, passages: Sequence[Passage], *, earlier: Sequence[str] = (), limit: int = 2) -> list[Quote]:
    """Return up to `limit` sentences that answer `question`, best first; none when nothing supports an answer.

    earlier: the questions before it, oldest first, read when this one only makes sense after them. Passages stand in
    the order of their numbers, most relevant first. Of a message that tells a story, the sentence that asks counts.
    """
    candidates = _candidates(passages)
    for part in _askings(question):
        wanted = _wanted(part, earlier, candidates)
        if found := _chosen(part, wanted, candidates, limit):
            return found
    return []


def _askings(question: str) -> list[str]:
    """Return the texts to try as the question: the whole, then, of several sentences, those that ask, last first."""
    parts = sentences(question)
    asking = [part for part in parts if part.endswith("?")] or parts[-1:]
    return [question, *(part for part in reversed(asking) if part != question)]


def _chosen(question: str, wanted: dict[str, float], candidates: Sequence[_Candidate], limit: int) -> list[Quote]:
    if not wanted:
        return []
    cue = next((answer for asked, answer in _CUES if asked.search(question)), None)
    scored = sorted(((_score(one, wanted, cue), one) for one in candidates), key=lambda pair: (-pair[0], pair[1].order))
    chosen: list[_Candidate] = []
    best = 0.0
    for score, one in scored:
        if len(chosen) == limit or not _supported(one, wanted, cue):
            continue
        if not chosen:
            best = score
        elif not _adds(one, score, chosen, wanted, best):
            continue
        chosen.append(one)
    return [Quote(one.text, one.number, round(_support(one, wanted), 3)) for one in chosen]


def nearest_example(question: str, examples: Sequence[tuple[str, str]]) -> str:
    """Return the reply of the few-shot example whose question shares most words with `question`, '' when none does."""
    asked = set(words(question))
    best, reply = 0.3, ""
    for example, answer in examples:
        known = set(words(example))
        alike = 2 * len(asked & known) / (len(asked) + len(known)) if asked and known else 0.0
        if alike > best:
            best, reply = alike, answer
    return reply


def _candidates(passages: Sequence[Passage]) -> list[_Candidate]:
    found: list[_Candidate] = []
    seen: set[str] = set()
    for number, passage in enumerate(passages, 1):
        heading = frozenset(content_words(f"{passage.heading} {passage.source.rpartition('/')[2].replace('-', ' ')}"))
        before: frozenset[str] = frozenset()
        for text in sentences(passage.text):
            stems = frozenset(content_words(text))
            if text not in seen and len(stems) > 1:
                found.append(_Candidate(text, number, len(found), stems, heading, before))
            seen.add(text)
            before = stems
    return found


def _wanted(question: str, earlier: Sequence[str], candidates: Sequence[_Candidate]) -> dict[str, float]:
    """Return the stems that the answer should carry and their weights, typos mended against the passages' words."""
    spread = Counter(stem for one in candidates for stem in one.stems)
    for one in candidates:
        spread.update(one.heading - one.stems if one.order == 0 else ())
    known = Counter(group(stem) for stem in spread)
    own = list(content_words(_ASKING.sub(" ", question)))
    asked = dict.fromkeys(own, 1.0)
    if earlier and (len(set(own)) <= 2 or (len(set(own)) <= 4 and _FOLLOW.search(question.strip()))):
        for stem in content_words(earlier[-1]):
            asked.setdefault(stem, 0.5)
    total = len(candidates) or 1
    wanted: dict[str, float] = {}
    for stem, share in asked.items():
        mended = stem if stem in spread or group(stem) in known else _mended(stem, spread)
        rarity = 1 + math.log(1 + total / (spread.get(mended, 0) + 0.5))
        wanted[mended] = max(wanted.get(mended, 0.0), share * rarity)
    return wanted


def _mended(stem: str, known: Counter[str]) -> str:
    if len(stem) < 4 or not stem.isalpha():
        return stem
    near = get_close_matches(stem, [word for word in known if abs(len(word) - len(stem)) <= 2], n=1, cutoff=0.8)
    return near[0] if near else stem


def _carried(stem: str, one: _Candidate) -> float:
    """Return how well a candidate carries one word of the question, 0 to 1."""
    if stem in one.stems:
        return _SAME
    kin = group(stem)
    if any(group(other) == kin for other in one.stems):
        return _ALIKE
    if stem in one.heading or any(group(other) == kin for other in one.heading):
        return _HEADING
    return _NEAR if stem in one.near else 0.0


def _support(one: _Candidate, wanted: dict[str, float]) -> float:
    total = sum(wanted.values())
    return sum(weight * _carried(stem, one) for stem, weight in wanted.items()) / total if total else 0.0


def _supported(one: _Candidate, wanted: dict[str, float], cue: re.Pattern[str] | None) -> bool:
    """Whether a sentence may answer: it carries most of the question, or several words of a long story."""
    support = _support(one, wanted)
    if cue is not None and not cue.search(one.text):
        support *= _WRONG_KIND
    if support >= MIN_SUPPORT:
        return True
    return support >= _STORY_SUPPORT and sum(_carried(stem, one) >= _ALIKE for stem in wanted) >= _STORY_WORDS


def _score(one: _Candidate, wanted: dict[str, float], cue: re.Pattern[str] | None) -> float:
    own = sum(weight for stem, weight in wanted.items() if _carried(stem, one) >= _ALIKE) / sum(wanted.values())
    score = 0.6 * _support(one, wanted) + 0.4 * own
    score += 0.12 if cue is not None and cue.search(one.text) else 0.0
    score += 0.10 / one.number
    return score - 0.002 * max(len(one.stems) - 18, 0)


def _adds(one: _Candidate, score: float, chosen: list[_Candidate], wanted: dict[str, float], best: float) -> bool:
    """Whether a further sentence is worth its place: nearly as good, and saying something else."""
    overlap = max(len(one.stems & other.stems) / len(one.stems | other.stems) for other in chosen)
    if overlap > 0.6:
        return False
    covered = {stem for other in chosen for stem in wanted if _carried(stem, other) >= _ALIKE}
    fresh = sum(weight for stem, weight in wanted.items() if stem not in covered and _carried(stem, one) >= _ALIKE)
    return score >= 0.85 * best or (score >= 0.6 * best and fresh >= 0.15 * sum(wanted.values()))
