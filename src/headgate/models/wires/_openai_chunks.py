"""The chunks of a stream that only carry a few words on, read in one step: nearly all of them. Called by `openai_chat`.

A chunk that holds anything else is read as a mapping, and what both ways say of the same chunk is the same.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

_Sent = str | UnsetType | None


class _Words(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    content: str | None = None
    reasoning_content: str | None = None
    role: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None


class _Choice(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    delta: _Words
    index: Literal[0] = 0
    logprobs: None = None
    finish_reason: None = None


class Said(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A chunk of one choice that has words and nothing else. service_tier and obfuscation pass through, if sent."""

    choices: tuple[_Choice]
    id: Any = None
    object: Any = None
    created: Any = None
    model: str | None = None
    system_fingerprint: str | None = None
    usage: None = None
    service_tier: _Sent = UNSET
    obfuscation: _Sent = UNSET


_said = msgspec.json.Decoder(Said).decode


def chunk_of(data: str) -> Any:
    """Return the chunk as `Said` or as whatever JSON it is. Raises msgspec's DecodeError, or RecursionError."""
    if 'content":' in data:
        try:
            return _said(data)
        except msgspec.ValidationError:
            pass
    return msgspec.json.decode(data)
