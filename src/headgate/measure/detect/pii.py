"""Personal data by pattern and checksum: e-mail, phone, payment card, IBAN, US social security number, IP address.

Called by the `pii` guard and scorer and by whatever stores text. It knows no names, addresses or dates: those need a
model, and a pattern that guessed them would be wrong more often than right.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence

from headgate.measure.signs import among_digits, digits_in_a_row, letters_before_digits
from headgate.measure.text import Form, forms

from .found import Found, over_forms
from .phones import find_phones

PII_TYPES = ("EMAIL", "PHONE", "CARD", "IBAN", "SSN", "IP")
"""What is looked for; national numbers (`NATIONAL_ID`) only when asked for by name."""

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%'-]++@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,24}(?![\w-])")
_CARD = re.compile(
    r"[0-9](?<![^\W_].)(?<!\d[.,-].)"
    r"(?=(\d{3}[ -]?(?:\d{4}[ -]?){2}\d{1,7}(?!\d)|\d{3}[ -]?\d{6}[ -]?\d{4,5}(?!\d)|\d{11,18}(?!\d)))"
)
_CARD_WORDS = re.compile(r"\b(?:card|cards|cc|visa|mastercard|maestro|amex)\b", re.I)
_CARD_SPREAD = re.compile(r"\d(?<!\d.)(?<!\d[ -].)(?:[ -]\d){11,18}(?![ -]?\d)")
_IBAN = re.compile(r"\d\d(?<=[A-Za-z]{2}\d\d)(?<![A-Za-z0-9][A-Za-z]{2}\d\d)(?=([ -]?(?:[A-Za-z0-9][ -]?){11,30}))")
_SSN = re.compile(r"[0-8](?<![\d-].)\d\d([- ])(?!00)\d\d\1(?!0000)\d{4}(?![\d-])")
_SSN_WORDS = re.compile(r"\b(?:ssn|social security)\b", re.I)
_SSN_SAID = re.compile(r"\b(?:ssn|social security)\b\D{0,30}((?!000|666|9)\d{9})(?!\d)", re.I)
_IPV4 = re.compile(r"\d(?<![\w.-].)(?<!\d[,/].)\d{0,2}\.(?:\d{1,3}\.){2}\d{1,3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_DOTS = re.compile(r"\.\d{1,3}\.\d{1,3}\.\d")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_NATIONAL = re.compile(r"(?<![\w-])[A-Za-z]{0,3}\d(?:[ ./-]?[\dA-Za-z]){6,17}(?![\w-])")
_PREFIXES = re.compile(
    r"4|5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|3[47]|30[0-5]|309|3[689]|6011|64[4-9]|65|35|2131|1800"
    r"|62|50(?:18|20|38)|5893|6304|67(?:59|6[1-3])"
)
_DOUBLED = str.maketrans("0123456789", "0246813579")
_LENGTHS = {"4": (13, 16, 19), "18": (15,), "2": (15, 16), "34": (15,), "37": (15,), "35": (16,), "3": (14, 15, 16)}
_COUNTRIES = (
    "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DK:18 DO:28 EE:20 "
    "EG:29 ES:24 FI:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 "
    "KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 MK:19 MR:27 MT:31 MU:30 NL:18 NO:15 PK:24 "
    "PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 SA:24 SC:31 SE:24 SI:19 SK:24 SM:27 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 "
    "VG:24 XK:20"
)
_IBAN_LENGTHS = {part[:2]: int(part[3:]) for part in _COUNTRIES.split()}
"""Length of an IBAN by country (SWIFT's registry)."""


def find_pii(text: str, types: Sequence[str] = PII_TYPES, national: Sequence[str] = ()) -> list[Found]:
    """Return personal data of `types` in a text, in order; disguised and encoded text is read as well.

    national: numbers to check through python-stdnum, as `de.idnr`, `us.itin`, `es.nif`. A number of digits that is a
    card is no phone. Private and loopback addresses are nobody's, and are left alone.
    """

    def finder(form: Form) -> list[Found]:
        if not form.odd:
            return []
        plain = form.text
        found = list(_emails(plain)) if "@" in form.odd and "EMAIL" in types and "@" in plain else []
        if form.has_digit:
            _numbers(plain, types, found)
            if national:
                found += _national(plain, national)
        return found

    return over_forms(forms(text, leet=False), finder)


def _numbers(text: str, types: Sequence[str], found: list[Found]) -> None:
    """Add the numbers of `types`; what is a number of one type is no phone."""
    kinds = among_digits(text)
    row = digits_in_a_row(kinds)
    for name in types:
        if name in _NUMBERS and row >= _LEAST[name] and (name != "IBAN" or letters_before_digits(kinds)):
            found += _NUMBERS[name](text)
    if "PHONE" in types and row >= _LEAST["PHONE"]:
        found += find_phones(text, found)


def warm(types: Sequence[str] = PII_TYPES) -> None:
    """Load the libraries that the first finding would load, so that no request waits for them."""
    if "IBAN" in types:
        _ibans_valid("DE89370400440532013000")
    if "PHONE" in types:
        find_phones("call +1 212 555 0147", [])


def _emails(text: str) -> Iterator[Found]:
    for match in _EMAIL.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip(".'-"))
        yield Found(start, match.end(), "EMAIL")


def _cards(text: str) -> Iterator[Found]:
    for match in _CARD.finditer(text):
        if _is_card(match[0] + match[1], text, match.start()):
            yield Found(match.start(), match.end(1), "CARD")
    for match in _CARD_SPREAD.finditer(text):
        if _is_card(match[0], text, match.start()):
            yield Found(match.start(), match.end(), "CARD")


def _is_card(written: str, text: str, at: int) -> bool:
    """Whether Luhn's checksum holds and an issuer, or the words before, say that it is a card."""
    digits = written.replace(" ", "").replace("-", "")
    lengths = _LENGTHS.get(digits[:2]) or _LENGTHS.get(digits[0]) or range(12, 20)
    issued = _PREFIXES.match(digits) and len(digits) in lengths
    if not issued and not _CARD_WORDS.search(text, max(0, at - 30), at):
        return False
    total = sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2].translate(_DOUBLED)))
    return total % 10 == 0 and len(set(digits)) > 1


def _ibans(text: str) -> Iterator[Found]:
    for match in _IBAN.finditer(text):
        start = match.start() - 2
        country = text[start : start + 2].upper()
        wanted = _IBAN_LENGTHS.get(country, 0) - 4
        rest, taken = match[1], 0
        for place, sign in enumerate(rest):
            taken += sign.isalnum()
            if taken == wanted:
                end = match.start(1) + place + 1
                whole = text[start:end].replace(" ", "").replace("-", "")
                if not text[end : end + 1].isalnum() and _ibans_valid(whole):
                    yield Found(start, end, "IBAN")
                break


def _ibans_valid(compact: str) -> bool:
    """Check the remainder modulo 97 first: the library's structure check costs a hundred times more."""
    moved = compact[4:] + compact[:4]
    if int("".join(str(int(sign, 36)) for sign in moved)) % 97 != 1:
        return False
    from stdnum import iban

    return bool(iban.is_valid(compact, check_country=False))


def _ssns(text: str) -> Iterator[Found]:
    lowered = text.lower()
    hinted = "ssn" in lowered or "social security" in lowered or not text.isascii()
    said = _SSN_WORDS.search(text) if hinted else None
    for match in _SSN.finditer(text):
        if match[0][:3] not in ("000", "666") and (match[1] == "-" or said):
            yield Found(match.start(), match.end(), "SSN")
    if said:
        for match in _SSN_SAID.finditer(text):
            yield Found(match.start(1), match.end(1), "SSN")


def _ips(text: str) -> Iterator[Found]:
    if _DOTS.search(text):
        yield from _addresses(_IPV4, text)
    if _COLONS.search(text):
        yield from _addresses(_IPV6, text)


def _addresses(pattern: re.Pattern[str], text: str) -> Iterator[Found]:
    for match in pattern.finditer(text):
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            continue
        nobodys = (
            address.is_private or address.is_loopback or address.is_link_local
            or address.is_multicast or address.is_unspecified
        )  # fmt: skip
        if not nobodys:
            yield Found(match.start(), match.end(), "IP")


def _national(text: str, names: Sequence[str]) -> Iterator[Found]:
    from stdnum import get_cc_module

    checks = [get_cc_module(*name.split(".", 1)) for name in names]
    for match in _NATIONAL.finditer(text):
        if any(check is not None and check.is_valid(match[0]) for check in checks):
            yield Found(match.start(), match.end(), "NATIONAL_ID")


_NUMBERS: dict[str, Callable[[str], Iterator[Found]]] = {
    "CARD": _cards,
    "IBAN": _ibans,
    "SSN": _ssns,
    "IP": _ips,
}
_LEAST = {"CARD": 12, "SSN": 9, "PHONE": 6, "IBAN": 0, "IP": 0}
"""How many digits in a row each has at least, as `digits_in_a_row` counts them."""
