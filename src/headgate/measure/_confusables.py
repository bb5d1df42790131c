"""Letters of other alphabets that look like Latin ones, and the fold of one character to plain text.

Called by `text`. A compact choice of Unicode's confusables (UTS #39): what NFKC and dropping accents do not fold.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_LOOK_ALIKES = {
    "a": "аɑαᴀꭺⲁ",
    "b": "ьƅЬВвʙβᏼ",
    "c": "сϲᴄⲥᏟⅽ",
    "d": "ԁɗᴅⅾԀ",
    "e": "еєҽεᴇℯеЕ",
    "f": "ƒꞙϝғ",
    "g": "ɡցԍɢ",
    "h": "һհнНʜԋ",
    "i": "іıɩιїӏⅰɪ",
    "j": "јϳʝᴊ",
    "k": "кκᴋҝⲕ",
    "l": "ⅼʟƖǀ",
    "m": "мᴍⅿмΜ",
    "n": "ոпηɴՈ",
    "o": "оοօסᴏσөⲟ",
    "p": "рρᴘⲣϸ",
    "q": "ԛգզ",
    "r": "гᴦʀɍя",
    "s": "ѕꜱʂႽᏚ",
    "t": "тτᴛƫ",
    "u": "ᴜυսʋц",
    "v": "ѵνᴠⅴ",
    "w": "ѡωԝᴡшա",
    "x": "хχⅹᕁ",
    "y": "уγүʏỿყ",
    "z": "ᴢʐƶ",
    "A": "АΑᎪꓮ",
    "B": "ΒᏴꓐ",
    "C": "СϹⲤꓚ",
    "D": "Ꭰꓓ",
    "E": "ΕᎬꓰ",
    "F": "Ϝꓝ",
    "G": "ԌᏀꓖ",
    "H": "ΗᎻꓧ",
    "I": "ІΙӀꓲ",
    "J": "ЈᎫꓙ",
    "K": "КΚᏦꓗ",
    "L": "Ꮮꓡ",
    "M": "МᎷꓟ",
    "N": "Νꓠ",
    "O": "ОΟՕꓳ",
    "P": "РΡᏢꓑ",
    "Q": "Ԛ",
    "R": "Ꭱꓣ",
    "S": "ЅՏꓢ",
    "T": "ТΤᎢꓔ",
    "U": "Սꓴ",
    "V": "Ѵꓦ",
    "W": "ԜᎳꓪ",
    "X": "ХΧꓫ",
    "Y": "УΥҮꓬ",
    "Z": "ΖᏃꓜ",
    "ae": "æ",
    "oe": "œ",
    "ss": "ß",
    "'": "‘’‚‛ʼ＇`´",
    '"': "“”„‟«»",
    "-": "‐‑‒–—―−﹣",
    ".": "․。",
    "/": "⁄∕",
    ":": "ː꞉∶",
}
_TABLE = {sign: plain for plain, signs in _LOOK_ALIKES.items() for sign in signs} | {"ø": "o", "đ": "d", "ł": "l"}
_GAPS = "\u00a0\u2028\u2029\u1680\u180e\u3000\u0085"
_TAGS = range(0xE0020, 0xE007F)
_SQUARED = {0x1F110: "A", 0x1F130: "A", 0x1F150: "A", 0x1F170: "A", 0x1F1E6: "A"}
"""First code point of each enclosed alphabet of 26 (in parentheses, squared, circled, negative, regional)."""


@lru_cache(maxsize=8192)
def fold_char(sign: str) -> str:
    """Return what one character stands for when it is read: plain letters, nothing when it is invisible.

    Tag characters become the ASCII that they carry, because a model reads them although people do not see them.
    """
    code = ord(sign)
    if code < 128:
        return sign if code >= 32 or sign in "\t\n\r" else ""
    if code in _TAGS:
        return chr(code - 0xE0000)
    for first, letter in _SQUARED.items():
        if first <= code < first + 26:
            return chr(ord(letter) + code - first)
    if sign in _TABLE:
        return _TABLE[sign]
    category = unicodedata.category(sign)
    if category in ("Zs", "Zl", "Zp") or sign in _GAPS:
        return " "
    if category in ("Cf", "Cc", "Co", "Cs", "Cn", "Mn", "Me") or _is_filler(code):
        return ""
    return _decomposed(sign)


def _decomposed(sign: str) -> str:
    plain = []
    for part in unicodedata.normalize("NFKD", sign):
        if unicodedata.category(part) not in ("Mn", "Me", "Cf"):
            plain.append(_TABLE.get(part, part))
    return "".join(plain)


def _is_filler(code: int) -> bool:
    """Hangul and Khmer fillers, the braille blank and variation selectors: letters by category, nothing to see."""
    return code in (0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, 0x17B4, 0x17B5) or 0xFE00 <= code <= 0xFE0F
