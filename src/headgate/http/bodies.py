"""JSON bodies: decoded once into plain values, with bounds on depth and numbers (P23). Called by every route."""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.kernel import InvalidInput

CHAT_LIMIT = 10 * 2**20
"""The most bytes of a gateway body."""
API_LIMIT = 64 * 2**20
"""The most bytes of an operation's body: artifacts travel with their blobs."""
MAX_DEPTH = 64
_decode = msgspec.json.Decoder().decode
_DIGITS = bytes(48 if chr(byte) in "0123456789" else 32 for byte in range(256))
_STRIDE, _LONG = 9, 19
_LARGEST = 2**63


def decode_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object. Raises InvalidInput for other bytes, other values, depth over 64, integers over 64 bit."""
    try:
        found = _decode(body)
    except UnicodeDecodeError:
        raise InvalidInput("the body is not UTF-8", code="invalid_json") from None
    except RecursionError:
        raise _too_deep() from None
    except msgspec.MsgspecError as problem:
        raise InvalidInput(f"the body is not JSON: {problem}", code="invalid_json") from None
    if not isinstance(found, dict):
        raise InvalidInput("the body is not a JSON object", code="invalid_json")
    # Both are done in C; only a body with many brackets, or with a very long number, is walked.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH or _holds_long_number(body):
        _walk(found)
    return found


def _holds_long_number(body: bytes) -> bool:
    """Whether 19 digits stand side by side: then two of every ninth byte do, which are looked at first."""
    return b"0" * (_LONG // _STRIDE) in body[::_STRIDE].translate(_DIGITS) and b"0" * _LONG in body.translate(_DIGITS)


def _walk(root: Any) -> None:
    level: list[Any] = [root]
    for _ in range(MAX_DEPTH + 1):
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                deeper += value.values()
            elif isinstance(value, list):
                deeper += value
            elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
                raise InvalidInput("the body holds an integer of more than 64 bits", code="invalid_json")
        if not deeper:
            return
        level = deeper
    raise _too_deep()


def _too_deep() -> InvalidInput:
    return InvalidInput(f"the body is nested deeper than {MAX_DEPTH} levels", code="invalid_json")
