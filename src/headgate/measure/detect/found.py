"""What a detector found, and masking it. Called by the detectors, by guards and by what stores traces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from headgate.measure.text import Form


class Found(Struct, frozen=True, gc=False):
    """A part of a text: `start` … `end` as Python slices it, and what it is (`EMAIL`, `CARD`, `AWS_KEY` …)."""

    start: int
    end: int
    type: str


def mask(text: str, found: Iterable[Found]) -> str:
    """Replace every part found by its type: `<EMAIL>`. Parts that overlap become one, named by the longest."""
    pieces, at = [], 0
    for part in merged(found):
        pieces += [text[at : part.start], f"<{part.type}>"]
        at = part.end
    return "".join([*pieces, text[at:]])


def merged(found: Iterable[Found]) -> list[Found]:
    """Return parts in order without overlaps; those that overlap are joined and take the longest one's type."""
    joined: list[Found] = []
    parts = found if isinstance(found, list) else list(found)
    if not parts:
        return joined
    longest = 0
    for part in sorted(parts, key=lambda part: (part.start, -part.end)):
        if part.end <= part.start:
            continue
        last = joined[-1] if joined else None
        if last is None or part.start >= last.end:
            joined.append(part)
            longest = part.end - part.start
            continue
        name = part.type if part.end - part.start > longest else last.type
        longest = max(longest, part.end - part.start)
        joined[-1] = Found(last.start, max(last.end, part.end), name)
    return joined


def over_forms(forms: Sequence[Form], finder: Callable[[Form], Iterable[Found]]) -> list[Found]:
    """Run a finder over every form of a text and return what it found, in places of the text itself."""
    if len(forms) == 1:
        return merged(finder(forms[0]))
    found = dict.fromkeys(
        Found(*form.span(part.start, part.end), part.type) for form in forms for part in finder(form)
    )  # ordered, so that of two that stand in the same place the same one wins on every run
    return merged(found)
