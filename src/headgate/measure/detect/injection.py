"""Injected instructions by their wording: scored rules over every canonical form of a text.

Called by the `injection` guard and scorer. It is no security boundary: it knows phrases, and somebody can always write
a sentence that no rule knows. What it promises is that a disguise does not hide a phrase it knows (P24).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from operator import eq

from headgate.measure.signs import odd_signs
from headgate.measure.text import Form, forms

from .leaking import LEAKING
from .roleplay import ROLEPLAY
from .rules import Rule, expand
from .takeover import TAKEOVER
from .tongues import SHAPES, TONGUES

_HEADINGS = tuple((mark, i) for i, shape in enumerate(SHAPES) if shape.pattern.endswith(":") for mark in shape.triggers)
"""Marks that are words: what makes one the heading of a message is the colon after it."""
_MARKS = tuple(
    (mark, i, odd_signs(mark))
    for i, shape in enumerate(SHAPES)
    for mark in shape.triggers
    if (mark, i) not in _HEADINGS
)
"""The other marks, each with its signs that prose does not hold. Every shape but a heading has such a sign."""
_SHAPING = frozenset("/~*").union(*(needs for _, _, needs in _MARKS))
"""Signs of which every shape but a heading has one: those of its mark, or those of a path."""
_RULES = (*TAKEOVER, *ROLEPLAY, *LEAKING, *TONGUES)

_WORDS = re.compile(r"[^\W_]+")
_FOREIGN_MARK = re.compile(r"[^\w\x00-\x7f]")
_PLAIN = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else 32 for code in range(256))
_ANY_WORDS = re.compile(r"\(\?:\\w\+ \)\{0,(\d+)\}")
_WINDOW = 120
"""How many words apart two weak signs may stand and still add up."""


@dataclass(frozen=True, slots=True)
class Injection:
    """How much a text reads like an attempt to take over: 0 … 1, and the strongest rule that said so ('' for none)."""

    score: float
    rule: str = ""
    family: str = ""


NONE = Injection(0.0)


def find_injection(text: str) -> Injection:
    """Score a text in all its canonical forms; the worst form counts. From 0.5 on it is called an injection."""
    worst = NONE
    for form in forms(text):
        found = _score(form)
        if found.score > worst.score:
            worst = found
    return worst


def _score(form: Form) -> Injection:
    if form.name == "squeezed":
        return _combined(_squeezed_hits(form.text))
    words = _words(form.text)
    hits: list[tuple[Rule, int]] = []
    known = _vocabulary().intersection(words)
    called = {index for word in known for index in _triggers().get(word, ()) if not _needs()[index].isdisjoint(known)}
    if called:
        plain = f" {' '.join(_unrepeated(words))} "
        for index in sorted(called):
            rule, pattern = _patterns()[index]
            if match := pattern.search(plain):
                hits.append((rule, plain.count(" ", 0, match.start())))
    if not _SHAPING.isdisjoint(form.odd) or ":" in form.text:
        for index in sorted(_marked(form.text.lower(), form.odd)):
            rule, pattern = _shapes()[index]
            if match := pattern.search(form.text):
                hits.append((rule, len(_WORDS.findall(form.text[max(0, match.start() - 4096) : match.start()]))))
    return _combined(hits) if hits else NONE


def _marked(lowered: str, odd: frozenset[str]) -> set[int]:
    """Return the shapes whose marks a text holds; a mark of odd signs is looked for only where all of them are."""
    found = {index for mark, index in _HEADINGS if mark in lowered} if ":" in lowered else set[int]()
    if odd:
        found |= {index for mark, index, needs in _MARKS if needs <= odd and mark in lowered}
    return found


def _combined(hits: Iterable[tuple[Rule, int]]) -> Injection:
    """Add up the hits that stand near each other, each family once by its strongest: 1 - product of (1 - weight)."""
    ordered = sorted(hits, key=lambda hit: hit[1])
    best = NONE
    for index, (_, at) in enumerate(ordered):
        families: dict[str, Rule] = {}
        for rule, place in ordered[index:]:
            if place - at > _WINDOW:
                break
            if rule.family not in families or rule.weight > families[rule.family].weight:
                families[rule.family] = rule
        left = 1.0
        for rule in families.values():
            left *= 1 - rule.weight
        if 1 - left > best.score:
            top = max(families.values(), key=lambda rule: rule.weight)
            best = Injection(round(1 - left, 4), top.name, top.family)
    return best


def _words(text: str) -> list[str]:
    """Return the words of a text in small letters, apostrophes dropped: `don't` is `dont`, quotes are too."""
    if not text.isascii():
        text = _FOREIGN_MARK.sub(" ", text.replace("’", ""))
    if text.isascii():
        return text.encode("ascii").translate(_PLAIN, b"'").decode("ascii").split()
    return _WORDS.findall(text.lower().replace("'", ""))


def _unrepeated(words: list[str]) -> list[str]:
    """Drop immediate repeats: padding by repetition neither hides a phrase nor costs time."""
    if True not in map(eq, words, words[1:]):
        return words
    return [word for word, before in zip(words, ["", *words], strict=False) if word != before]


def _squeezed_hits(text: str) -> list[tuple[Rule, int]]:
    """Search letters that were spaced out so evenly that nothing shows where words end: rules lose their spaces."""
    plain = "".join(_words(text))
    return [(rule, 0) for rule, pattern in _squeezed() if rule.weight >= 0.5 and pattern.search(plain)]


@cache
def _patterns() -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    return tuple((rule, re.compile(expand(rule.pattern).replace("'", ""))) for rule in _RULES)


@cache
def _shapes() -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    return tuple((rule, re.compile(rule.pattern, re.IGNORECASE | re.MULTILINE)) for rule in SHAPES)


@cache
def _squeezed() -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    def tight(pattern: str) -> str:
        return (
            _ANY_WORDS.sub(lambda found: rf"\w{{0,{6 * int(found[1])}}}", pattern)
            .replace(r"\w+ ", r"\w{1,12}")
            .replace(" ", "")
            .replace("'", "")
        )

    return tuple((rule, re.compile(tight(expand(rule.pattern)))) for rule in _RULES)


@cache
def _vocabulary() -> frozenset[str]:
    """Return every word that some rule asks for."""
    return frozenset(_triggers()).union(*_needs())


@cache
def _needs() -> tuple[frozenset[str], ...]:
    """Return for each rule, by its place, the words of which a match holds one: its triggers when it says no others."""
    return tuple(frozenset(_plainly(rule.needs or str(rule.triggers))) for rule in _RULES)


@cache
def _triggers() -> dict[str, tuple[int, ...]]:
    """Return the rules, by their place, that each word calls up."""
    found: dict[str, list[int]] = {}
    for index, rule in enumerate(_RULES):
        for word in _plainly(str(rule.triggers)):
            found.setdefault(word, []).append(index)
    return {word: tuple(places) for word, places in found.items()}


def _plainly(words: str) -> list[str]:
    return words.replace("'", "").split()
