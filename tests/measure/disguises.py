"""Forty ways to disguise a text, for the promise that a disguise changes no verdict (P24)."""

from __future__ import annotations

import base64
from collections.abc import Callable

LOOK_ALIKES = str.maketrans("aceiopsxyABCEHIKMOPTX", "асеіорѕхуАВСЕНІКМОРТХ")
GREEK = str.maketrans("oivaABEZHIKMNOPTYX", "οινаΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")
LEET = str.maketrans("oieast", "013457")
SIGNS = str.maketrans("aesi", "@3$1")
MATH = {ord(letter): chr(0x1D41A + index) for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
SCRIPT = {ord(letter): chr(0x1D4EA + index) for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
CIRCLED = {ord(letter): chr(0x24D0 + index) for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
SQUARED = {ord(letter): chr(0x1F130 + index) for index, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}


def between(sign: str) -> Callable[[str], str]:
    """Put a sign after every second character of each word."""
    return lambda text: " ".join(sign.join(word[at : at + 2] for at in range(0, len(word), 2)) for word in text.split())


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def spaced(sign: str, gap: str) -> Callable[[str], str]:
    return lambda text: gap.join(sign.join(word) for word in text.split())


DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "title": str.title,
    "swapped": str.swapcase,
    "fullwidth": lambda text: "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text),
    "math-bold": lambda text: text.lower().translate(MATH),
    "math-script": lambda text: text.lower().translate(SCRIPT),
    "circled": lambda text: text.lower().translate(CIRCLED),
    "squared": lambda text: text.upper().translate(SQUARED),
    "cyrillic": lambda text: text.translate(LOOK_ALIKES),
    "greek": lambda text: text.translate(GREEK),
    "zero-width-space": between("\u200b"),
    "zero-width-joiner": between("\u200d"),
    "word-joiner": between("\u2060"),
    "soft-hyphen": between("\u00ad"),
    "variation": between("\ufe0f"),
    "byte-order-mark": between("\ufeff"),
    "combining": between("\u0301"),
    "zalgo": between("\u0334\u0321\u0357"),
    "bidi": lambda text: f"\u202e{text}\u202c",
    "tags": lambda text: "".join(chr(0xE0000 + ord(sign)) if sign.isascii() else sign for sign in text),
    "control": between("\x00"),
    "no-break-space": lambda text: text.replace(" ", "\u00a0"),
    "wide-space": lambda text: text.replace(" ", "\u2003\u3000"),
    "newlines": lambda text: text.replace(" ", "\n"),
    "underscores": lambda text: text.replace(" ", "_"),
    "hyphens": lambda text: text.replace(" ", "-"),
    "slashes": lambda text: text.replace(" ", " / "),
    "markdown": lambda text: "**" + text.replace(" ", "** **") + "**",
    "html-entities": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "unicode-escapes": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
    "leet": lambda text: text.lower().translate(LEET),
    "leet-signs": lambda text: text.lower().translate(SIGNS),
    "spaced": spaced(" ", "   "),
    "dotted": spaced(".", " . "),
    "spaced-evenly": lambda text: " ".join("".join(text.split())),
    "base64": b64,
    "base64-twice": lambda text: b64(b64(text)),
    "hex": lambda text: text.encode().hex(),
    "hex-spaced": lambda text: text.encode().hex(" "),
    "percent": percent,
    "base64-of-percent": lambda text: b64(percent(text)),
    "percent-of-base64": lambda text: percent(b64(text)),
}
