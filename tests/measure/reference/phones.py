"""Phone numbers: by their own shape, by an international prefix, or by what the words before them say.

Called by `pii`. A row of digits alone is no phone number: it may be an order, a date or an amount.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from .found import Found

REGIONS = ("US", "GB", "DE", "FR", "ES", "AU")
"""Numbering plans that are tried, in order, for numbers written without a country."""

_CANDIDATE = re.compile(
    r"[+(0-9](?<![\w.,$€£#-].)(?:[ ().\-/]{0,3}[0-9]){6,16}(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?!\w|-\d)"
)
_AMERICAN = re.compile(
    r"(?:\+?1[-. ]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])[2-9]\d{2}[-. ]\d{4}(?:\s?(?:x|ext\.?)\s?\d{1,6})?"
)
_SAID = re.compile(
    r"\b(?:tel|telephone|phone|mobile|cell|cellphone|fax|whatsapp|sms|call|calls|called|calling|dial|ring|reach|texts?|"
    r"contact|messages? to|answering at|registered|handy|telefon|rufnummer|mobil|portable|téléphone|telefono|teléfono|"
    r"móvil|numéro|my number|her number|"
    r"his number|their number|phone number|number is)\b",
    re.I,
)
_SAID_AFTER = re.compile(r"[-\s(]{0,3}(?:office|fax|mobile|cell|tel|phone|home|work)\b", re.I)
_OTHERWISE = re.compile(
    r"\b(?:order|invoice|ticket|account|serial|model|tracking|case|reference|ref|imei|puk|pin|iccid|card|policy|id|version|"
    r"zip|licen[cs]e|passport|amount|total|price|bestellnummer|rechnung)\b[^.!?]{0,20}$",
    re.I,
)
_DATE = re.compile(
    r"(?:19|20)\d\d[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)?\d\d(?!\d)|\d{4}[-–]\d{4}"
)


def find_phones(text: str, taken: Sequence[Found]) -> Iterator[Found]:
    """Yield phone numbers in a text that are not part of what was `taken` already for something else."""
    before = sorted((part.end, part.start) for part in taken)
    for match in _CANDIDATE.finditer(text):
        start, end = match.span()
        place = bisect_right(before, (start, end))
        if any(other < end for _, other in before[place : place + 2]):
            continue
        if not _DATE.fullmatch(match[0]) and _is_phone(
            match[0], text[max(0, start - 60) : start], text[end : end + 12]
        ):
            yield Found(start, end, "PHONE")


def _is_phone(written: str, before: str, after: str) -> bool:
    digits = "".join(filter(str.isdecimal, written.partition("x")[0]))
    if written.startswith(("+", "(+")) or (digits.startswith("00") and len(digits) > 10):
        return 8 <= len(digits) <= 17 and _possible("+" + digits.removeprefix("00"), None)
    if _AMERICAN.fullmatch(written):
        return True
    if (
        not 7 <= len(digits) <= 13
        or _OTHERWISE.search(before)
        or not (_SAID.search(before) or _SAID_AFTER.match(after))
    ):
        return False
    return any(_possible(digits, region) for region in REGIONS)


def _possible(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(number.replace("(0)", ""), region)))
    except phonenumbers.NumberParseException:
        return False
