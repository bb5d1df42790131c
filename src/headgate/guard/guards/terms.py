"""Guard: terms that must not pass, matched on canonical text: disguised, encoded or spread over spaces and signs.

Only letters and digits are compared, so `KEEP-25` is also found as `k e e p 2 5`; a term begins and ends where a word
does, so `cat` is not found in `category`.
"""

import re
from dataclasses import dataclass

from pydantic import Field, field_validator

from headgate.guard.guard import NOTHING, Finding, GuardOptions, GuardPlugin
from headgate.measure import Form, Found, fold, forms, merged, unleet

_SILENT = re.compile(r"[\W_]+")


class Options(GuardOptions):
    """Options of the guard `terms`."""

    deny: tuple[str, ...] = Field(min_length=1, max_length=2000, description="the terms, as people would write them")

    @field_validator("deny")
    @classmethod
    def _some_letters(cls, deny: tuple[str, ...]) -> tuple[str, ...]:
        for term in deny:
            if not _loud(fold(term)):
                raise ValueError(f"the term {term!r} has no letters or digits to look for")
            if len(term) > 400:
                raise ValueError("a term has at most 400 characters")
        return deny


@dataclass(frozen=True, slots=True)
class Terms:
    """Finds denied terms. `plain` and `leet` are the terms as one pattern each, for the forms they are read in."""

    plain: re.Pattern[str]
    leet: re.Pattern[str]
    numbers: dict[str, int]
    unit: int

    def check(self, text: str) -> Finding:
        found: dict[Found, int] = {}
        for form in forms(text):
            found |= self._search(form)
        if not found:
            return NOTHING
        numbers = ", ".join(str(number) for number in sorted(set(found.values())))
        told = f"found number {numbers} of the deny list"
        return Finding(True, float(len(found)), f"term {numbers}", told, spans=tuple(merged(found)))

    def _search(self, form: Form) -> dict[Found, int]:
        pattern = self.leet if form.name == "leet" else self.plain
        loud = _loud(form.text)
        if not pattern.search(loud):
            return {}
        places = [place for place, sign in enumerate(form.text) if sign.isalnum()]
        found, at = {}, 0
        while match := pattern.search(loud, at):
            at = match.start() + 1
            start, end = places[match.start()], places[match.end() - 1] + 1
            if _is_edge(form.text, start, -1) and _is_edge(form.text, end - 1, 1):
                found[Found(*form.span(start, end), "TERM")] = self.numbers[match[0]]
        return found


def _loud(text: str) -> str:
    """Return the letters and digits of a text, in small letters."""
    return _SILENT.sub("", text.lower())


def _is_edge(text: str, place: int, step: int) -> bool:
    """Whether a word ends at `place` in the direction of `step`; scripts without spaces have no such edges."""
    beside = place + step
    if not 0 <= beside < len(text):
        return True
    spaced = text[place].isascii() or text[place].lower() != text[place].upper()
    return not spaced or not text[beside].isalnum()


def _make(options: Options) -> Terms:
    plain = {_loud(fold(term)): number for number, term in reversed(list(enumerate(options.deny, start=1)))}
    leet = {_loud(unleet(fold(term))): number for number, term in reversed(list(enumerate(options.deny, start=1)))}
    longest = max(map(len, [*plain, *leet]))
    return Terms(_pattern(plain), _pattern(leet), {**leet, **plain}, max(32, 3 * longest))


def _pattern(terms: dict[str, int]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(term) for term in sorted(terms, key=lambda term: (-len(term), term))))


plugin = GuardPlugin(
    behaviour=1, options=Options, make=_make, unit=32, example={"deny": ["KEEP-25", "internal use only"]}
)
