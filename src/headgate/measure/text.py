"""Disguised text made readable: the canonical forms of a text, each knowing where its characters stood (P24).

Called by every detector and by guards. Ordinary ASCII text costs a few searches; forms are built only when there is
something to fold, join or decode. All of it is linear in the length of the text.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from headgate.models import sentences

from ._confusables import fold_char
from .signs import EVERY_SIGN, FOREIGN, has_run, may_be_hexadecimal, may_be_leet, may_be_spaced, odd_signs

__all__ = ["Form", "Reading", "canonical_forms", "fold", "forms", "sentences", "unleet"]

FormName = Literal["raw", "folded", "joined", "squeezed", "leet", "decoded"]

_FOLDED = re.compile(r"[^\t\n\r\x20-\x7f]")
_CONTROLS = frozenset(map(chr, range(32))) - frozenset("\t\n\r") | {"\x7f"}
_SPACED = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]{1,6}[^\W_](?![^\W_])){3,}")
_LETTER = re.compile(r"[^\W_]")
_LEET = re.compile(r"[0-9@$!|+](?:(?<=[0-9@$])(?:(?<=[A-Za-z].)|(?=[A-Za-z]))|(?<=[A-Za-z].)(?=[A-Za-z]))")
_LEET_SIGNS = bytes.maketrans(b"01345789@$|+", b"oieastbgaslt")
_LEET_ONES = bytes.maketrans(b"01345789@$|+", b"oleastbgasit")
_BANG = re.compile(r"!(?=\w)")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{12,}+={0,2}(?:\r?\n[A-Za-z0-9+/_-]{4,}+={0,2})*+")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ :,;-]?){6,}+")
_PERCENT = re.compile(r"(?<![A-Za-z0-9._~+-])(?:[A-Za-z0-9._~+-]*+%[0-9A-Fa-f]{2})+[A-Za-z0-9._~+-]*+")
_ENTITY = re.compile(r"&(?:#\d{2,7}|#[xX][0-9a-fA-F]{2,6}|[A-Za-z]{2,8});")
_ESCAPE = re.compile(r"\\u\{?([0-9a-fA-F]{4,6})\}?|\\x([0-9a-fA-F]{2})")
_CAPITAL = re.compile("[A-Z]")
_LEVELS = 2
_DISGUISING = _CONTROLS | {FOREIGN, "&", "%", "\\"}
"""Signs that are folded away, or begin something encoded."""
_LEET_SIGNS_ODD = frozenset("0123456789@$!|+")
_DIGITS = frozenset([*"0123456789", FOREIGN])


class Form(Struct, frozen=True, gc=False):
    """One way to read a text. `starts` and `ends` say, for each character, which part of the text it came from."""

    name: FormName
    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None
    odd: frozenset[str] = EVERY_SIGN
    """The signs that `odd_signs` finds in the text."""

    long: bool = True
    """Whether 12 signs of a token may stand in a row: what is encoded and most secrets have as many."""

    @property
    def has_digit(self) -> bool:
        """Whether the text may hold a digit of any script."""
        return not _DIGITS.isdisjoint(self.odd)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the part of the original text that characters `start` … `end` of this form came from."""
        if self.starts is None or self.ends is None or start >= end:
            return start, end
        return self.starts[start], self.ends[end - 1]


Edit = tuple[int, int, str, "list[int] | None"]
"""Replace `start` … `end` by a text; the list says which character each of the new ones is, None: all of the part."""


class Reading(str):
    """A text that keeps its forms once they are made, so that guards share them; for everybody else a plain text."""

    __slots__ = ("_leet", "_plain")
    _plain: list[Form]
    _leet: list[Form]

    def forms(self, leet: bool) -> list[Form]:
        """Return the forms, made on the first call."""
        try:
            return self._leet if leet else self._plain
        except AttributeError:
            if not hasattr(self, "_plain"):
                self._plain = _plain_forms(str(self))
            if leet:
                self._leet = [*self._plain, *_leet_forms(self._plain)]
            return self._leet if leet else self._plain


def canonical_forms(text: str) -> list[str]:
    """Return the text and every other way to read it: folded, letters joined, leet read, decoded (two levels)."""
    return list(dict.fromkeys(form.text for form in forms(text)))


def forms(text: str, leet: bool = True) -> list[Form]:
    """Return the forms of a text, raw first, without repeats; `leet` adds the reading of digits as letters."""
    if isinstance(text, Reading):
        return text.forms(leet)
    plain = _plain_forms(text)
    return [*plain, *_leet_forms(plain)] if leet else plain


def _plain_forms(text: str) -> list[Form]:
    raw = _form("raw", text)
    if _DISGUISING.isdisjoint(raw.odd) and not (may_be_spaced(text) or _may_be_base64(raw) or _may_be_hexadecimal(raw)):
        return [raw]
    seen = [raw]
    level = _readings(raw, seen)
    for _ in range(_LEVELS):
        decoded = _decoded(level)
        if decoded is None:
            break
        seen.append(decoded)
        level = _readings(decoded, seen)
    return seen


def _leet_forms(seen: list[Form]) -> list[Form]:
    if len(seen) == 1 and _LEET_SIGNS_ODD.isdisjoint(seen[0].odd):
        return []
    plain = seen[1:] if len(seen) > 1 and seen[1].name == "folded" else seen
    return [reading for form in plain for reading in _unleeted(form)]


def fold(text: str) -> str:
    """Return a text as it is read: compatibility forms, accents, look-alikes and invisible characters folded away."""
    return _FOLDED.sub(lambda sign: fold_char(sign[0]), text)


def unleet(text: str) -> str:
    """Read digits and signs as the letters that they stand for: `1gn0r3` as `ignore`."""
    return _read(_BANG.sub("i", text), _LEET_SIGNS)


def _readings(form: Form, seen: list[Form]) -> Form:
    """Append the folded and the joined reading of a form when they differ; return the last to decode from."""
    folded = _folded(form)
    if folded is not None:
        seen.append(folded)
        form = folded
    seen += _joined(form)
    return form


def _folded(form: Form) -> Form | None:
    text = form.text
    if text.isascii() and _CONTROLS.isdisjoint(form.odd):
        return None
    pieces: list[str] = []
    origin: list[int] = []
    at = 0
    for match in _FOLDED.finditer(text):
        sign, place = match[0], match.start()
        plain = fold_char(sign)
        if plain != sign:
            pieces += [text[at:place], plain]
            origin += [*range(at, place), *[place] * len(plain)]
            at = place + 1
    if not pieces:
        return None
    pieces.append(text[at:])
    origin += range(at, len(text))
    return _form("folded", "".join(pieces), *_spans(form, origin))


def _joined(form: Form) -> list[Form]:
    """Join letters that were spaced out; where nothing shows the words apart, also without any space at all."""
    text = form.text
    if not may_be_spaced(text):
        return []
    edits: list[Edit] = []
    squeezed = False
    for found in _SPACED.finditer(text):
        places = [part.start() for part in _LETTER.finditer(text, found.start(), found.end())]
        gaps = [after - before for before, after in pairwise(places)]
        narrow = min(gaps)
        squeezed = squeezed or (max(gaps) == narrow and len(places) >= 8)
        origin = [places[0]]
        for place, gap in zip(places[1:], gaps, strict=True):
            if gap > narrow:
                origin.append(place - 1)
            origin.append(place)
        plain = "".join([text[place] if text[place].isalnum() else " " for place in origin])
        edits.append((found.start(), found.end(), plain, origin))
    if not edits:
        return []
    joined = _edited(form, edits, "joined")
    return [joined, _form("squeezed", joined.text, joined.starts, joined.ends)] if squeezed else [joined]


def _unleeted(form: Form) -> Iterator[Form]:
    if _LEET_SIGNS_ODD.isdisjoint(form.odd) or not may_be_leet(form.text) or not _LEET.search(form.text):
        return
    plain = _BANG.sub("i", form.text)
    readings = dict.fromkeys([_read(plain, _LEET_SIGNS), _read(plain, _LEET_ONES)])
    for reading in readings:
        yield _form("leet", reading, form.starts, form.ends)


def _decoded(form: Form) -> Form | None:
    """Decode what is encoded, in place; None when nothing was."""
    found = form
    for hint, pattern, decode in _DECODERS:
        if hint(found):
            edits = [
                (match.start(), match.end(), plain, None)
                for match in pattern.finditer(found.text)
                if (plain := decode(match)) is not None
            ]
            found = _edited(found, edits, "decoded") if edits else found
    return None if found is form else found


def _edited(form: Form, edits: Sequence[Edit], name: FormName) -> Form:
    """Apply edits, ordered and apart."""
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for start, end, plain, origin in [*edits, (len(form.text), len(form.text), "", None)]:
        kept = _spans(form, range(at, start))
        pieces += [form.text[at:start], plain]
        first, last = form.span(start, end)
        new = ([first] * len(plain), [last] * len(plain)) if origin is None else _spans(form, origin)
        starts += [*kept[0], *new[0]]
        ends += [*kept[1], *new[1]]
        at = end
    return _form(name, "".join(pieces), starts, ends)


def _form(name: FormName, text: str, starts: Sequence[int] | None = None, ends: Sequence[int] | None = None) -> Form:
    return Form(name, text, starts, ends, odd_signs(text), has_run(text, 12))


def _read(text: str, signs: bytes) -> str:
    """Read signs as letters; a euro sign is an e."""
    if text.isascii():
        return text.encode("ascii").translate(signs).decode("ascii")
    return text.translate({code: chr(sign) for code, sign in enumerate(signs[:128])} | {ord("€"): "e"})


def _spans(form: Form, places: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Return where the characters at `places` of a form began and ended in the original text."""
    if form.starts is None or form.ends is None:
        if isinstance(places, range):
            return places, range(places.start + 1, places.stop + 1)
        return places, [place + 1 for place in places]
    starts, ends = form.starts, form.ends
    return [starts[place] for place in places], [ends[place] for place in places]


def _readable(content: bytes) -> str | None:
    """Return decoded bytes when they are text that somebody could have written, else None."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    printable = sum(sign.isprintable() or sign in "\t\r\n" for sign in text)
    return text if len(text) >= 4 and printable >= 0.95 * len(text) else None


def _from_base64(match: re.Match[str]) -> str | None:
    if match[0].islower():  # an ordinary long word; what is encoded has capitals
        return None
    compact = re.sub(r"[\s=]", "", match[0]).replace("-", "+").replace("_", "/")
    if len(compact) % 4 == 1:
        compact = compact[:-1]
    try:
        return _readable(base64.b64decode(compact + "=" * (-len(compact) % 4)))
    except (binascii.Error, ValueError):
        return None


def _from_hex(match: re.Match[str]) -> str | None:
    return _readable(bytes.fromhex(re.sub(r"0x|\\x|[^0-9a-fA-F]", "", match[0])))


def _from_percent(match: re.Match[str]) -> str | None:
    return _readable(unquote_to_bytes(match[0].replace("+", " ")))


def _from_entity(match: re.Match[str]) -> str | None:
    plain = html.unescape(match[0])
    return None if plain == match[0] else plain


def _from_escape(match: re.Match[str]) -> str | None:
    code = int(match[1] or match[2], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else None


def _may_be_hexadecimal(form: Form) -> bool:
    return form.has_digit and may_be_hexadecimal(form.text)


def _may_be_base64(form: Form) -> bool:
    return form.long and _CAPITAL.search(form.text) is not None


_DECODERS: tuple[tuple[Callable[[Form], bool], re.Pattern[str], Callable[[re.Match[str]], str | None]], ...] = (
    (lambda form: "&" in form.odd, _ENTITY, _from_entity),
    (lambda form: "%" in form.odd, _PERCENT, _from_percent),
    (_may_be_hexadecimal, _HEX, _from_hex),
    (lambda form: "\\" in form.odd, _ESCAPE, _from_escape),
    (_may_be_base64, _BASE64, _from_base64),
)
"""What shows that something may be encoded, what it looks like, and how to read it."""
