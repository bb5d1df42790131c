"""Values made small enough, and harmless enough, to be stored in a column. For the tables of this folder.

Small values are plain JSON, large ones compressed: the first byte tells them apart.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

_SMALL = 4_096
"""Bytes up to which compressing costs more time than the disk is worth: three times what writing them costs."""
_COMPRESSED = 0x78
"""zlib's first byte; JSON of a list or an object never begins with it."""
_MOST, _LEAST = 2**63 - 1, -(2**63)


def clean(text: str) -> str:
    """Replace what PostgreSQL's text cannot hold: NUL and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def whole(number: float) -> int:
    """Return a number as an integer that a column can hold; what is not finite is zero."""
    try:
        return max(_LEAST, min(_MOST, int(number)))
    except (TypeError, ValueError, OverflowError):
        return 0


def pack(value: Any, small: int = _SMALL) -> bytes:
    """Return a list or mapping as bytes. Values that JSON cannot hold become text; broken characters are replaced."""
    return compress(encode(value), small)


def encode(value: Any) -> bytes:
    """Return a list or mapping as JSON: what `pack` does, but for compressing."""
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, OverflowError):
        return _encoder.encode(_cleaned(value))


def compress(content: bytes, small: int = _SMALL) -> bytes:
    return content if len(content) <= small else zlib.compress(content, 1)


def unpack(content: bytes) -> Any:
    """Return what `pack` was given, as plain lists and dicts."""
    return msgspec.json.decode(zlib.decompress(content) if content[0] == _COMPRESSED else content)


def _plain(value: Any) -> Any:
    """Turn a value that the encoder does not know into one that it does."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): _cleaned(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else clean(str(value))


_encoder = msgspec.json.Encoder(enc_hook=_plain)
