"""What may be kept of a foreign span's values: secrets and personal data masked, sizes bounded. Called by `translate`.

Text is looked at once: an agent's spans repeat the same conversation at every level, and system prompts in every call.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from headgate.measure import Reading, find_pii, find_secrets, mask

_TEXT = 8_000
_SHORT = 2_000
_ITEMS = 64
_DEPTH = 4


def clean(text: str) -> str:
    """Return a text with secrets and personal data replaced by their types."""
    return _remembered(text) if len(text) <= _SHORT else _masked(text)


def _masked(text: str) -> str:
    reading = Reading(text)
    found = [*find_secrets(reading), *find_pii(reading)]
    return mask(text, found) if found else text


_remembered = lru_cache(maxsize=4096)(_masked)


def kept(value: Any, depth: int = 0) -> Any:
    """Return a value that is safe to store: texts masked and cut, lists and mappings cut, too deep ones dropped."""
    if isinstance(value, str):
        return clean(value[:_TEXT])
    if isinstance(value, bool | int | float) or value is None:
        return value
    if depth >= _DEPTH:
        return "…"
    if isinstance(value, dict):
        return {str(name)[:200]: kept(item, depth + 1) for name, item in list(value.items())[:_ITEMS]}
    if isinstance(value, list | tuple):
        return [kept(item, depth + 1) for item in value[:_ITEMS]]
    return clean(str(value)[:_TEXT])
