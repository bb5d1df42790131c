"""Terms that must not come up: a deny list, found through case, look-alike letters, spacing and line breaks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field

from headgate.guard.guard import Check, Finding, GuardOptions, GuardPlugin
from headgate.measure import canonical_forms

_SPREAD = 4
"""A term may come spaced out or encoded: the stream holds back this many times its length."""


class Options(GuardOptions):
    """The list."""

    deny: tuple[str, ...] = Field(min_length=1, description="terms; case and spacing do not matter")


def _pattern(terms: Sequence[str]) -> re.Pattern[str]:
    def one(term: str) -> str:
        words = r"\W*".join(re.escape(word) for word in re.findall(r"\w+", term))
        return words or re.escape(term)

    return re.compile(
        "|".join(rf"(?<!\w)(?:{one(term)})(?!\w)|(?<!\w)(?:{one(term)})" for term in terms), re.IGNORECASE
    )


def _make(options: Options) -> Check:
    pattern = _pattern(options.deny)

    def look(text: str) -> Finding:
        raw = pattern.search(text)
        if raw is None:
            hit = next((found for form in canonical_forms(text) if (found := pattern.search(form))), None)
            return Finding(
                hit is not None, float(hit is not None), "disguised" if hit else "", "a denied term" if hit else ""
            )
        return Finding(True, 1.0, "denied", "a denied term", pattern.sub("<TERM>", text))

    span = _SPREAD * max(len(term) for term in options.deny)
    return Check(look, "sentence" if options.action == "mask" else span)


plugin = GuardPlugin(behaviour=1, options=Options, make=_make, masks=True, example={"deny": ["internal only"]})
