"""Injected instructions by their wording: scored rules over every canonical form of a text.

Called by the `injection` guard and scorer. It is no security boundary: it knows phrases, and somebody can always write
a sentence that no rule knows. What it promises is that a disguise does not hide a phrase it knows (P24).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from headgate.measure.detect.leaking import LEAKING
from headgate.measure.detect.roleplay import ROLEPLAY
from headgate.measure.detect.rules import Rule, expand
from headgate.measure.detect.takeover import TAKEOVER
from headgate.measure.detect.tongues import SHAPES, TONGUES

from .text import Form, forms, odd_signs

_MARKS = tuple((mark, index, odd_signs(mark)) for index, shape in enumerate(SHAPES) for mark in shape.triggers)
_PLAIN_MARKS = tuple((mark, index) for mark, index, needs in _MARKS if not needs)
_RULES = (*TAKEOVER, *ROLEPLAY, *LEAKING, *TONGUES)

_WORDS = re.compile(r"[^\W_]+")
_PLAIN = str.maketrans({chr(code): " " for code in range(128) if not chr(code).isalnum()} | {"'": None})
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
    lowered = form.text.lower()
    words = _words(lowered)
    triggered = _triggers().keys() & set(words)
    hits: list[tuple[Rule, int]] = []
    if triggered:
        plain = f" {' '.join(_unrepeated(words))} "
        for index in sorted({index for word in triggered for index in _triggers()[word]}):
            rule, pattern = _patterns()[index]
            if match := pattern.search(plain):
                hits.append((rule, plain.count(" ", 0, match.start())))
    for index in sorted(_marked(lowered, form.odd)):
        rule, pattern = _shapes()[index]
        if match := pattern.search(form.text):
            hits.append((rule, len(_WORDS.findall(form.text[max(0, match.start() - 4096) : match.start()]))))
    return _combined(hits) if hits else NONE


def _marked(lowered: str, odd: frozenset[str]) -> set[int]:
    """Return the shapes whose marks a text holds; a mark of odd signs is looked for only where all of them are."""
    found = {index for mark, index in _PLAIN_MARKS if mark in lowered}
    if odd:
        found |= {index for mark, index, needs in _MARKS if needs and needs <= odd and mark in lowered}
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


def _words(lowered: str) -> list[str]:
    """Return the words of a text, apostrophes dropped: `don't` is `dont`, and a quoted word is the word."""
    if lowered.isascii():
        return lowered.translate(_PLAIN).split()
    return _WORDS.findall(lowered.replace("'", "").replace("’", ""))


def _unrepeated(words: list[str]) -> list[str]:
    """Drop immediate repeats: padding by repetition neither hides a phrase nor costs time."""
    return [word for word, before in zip(words, ["", *words], strict=False) if word != before]


def _squeezed_hits(text: str) -> list[tuple[Rule, int]]:
    """Search letters that were spaced out so evenly that nothing shows where words end: rules lose their spaces."""
    plain = "".join(_words(text.lower()))
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
def _triggers() -> dict[str, tuple[int, ...]]:
    """Return the rules, by their place, that each word calls up."""
    found: dict[str, list[int]] = {}
    for index, rule in enumerate(_RULES):
        for word in str(rule.triggers).split():
            found.setdefault(word.replace("'", ""), []).append(index)
    return {word: tuple(places) for word, places in found.items()}
