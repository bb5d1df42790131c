"""What providers send nearly always, read in one step: chunks that carry a few words on, and answers of plain text.
Called by `openai_chat`.

Whatever holds anything else is read as a mapping, and what both ways say of the same bytes is the same.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

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


class _Message(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    content: Annotated[str, Meta(min_length=1)]
    role: Any = None
    refusal: None = None
    annotations: tuple[()] | None = None
    tool_calls: tuple[()] | None = None
    function_call: None = None
    audio: None = None
    reasoning_content: None = None


class _Ending(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    message: _Message
    finish_reason: str
    index: Any = None
    logprobs: None = None


class Plain(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A whole answer of one choice that is text and nothing else."""

    choices: tuple[_Ending]
    usage: dict[str, Any]
    id: Any = None
    object: Any = None
    created: Any = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: _Sent = UNSET


_plain = msgspec.json.Decoder(Plain).decode
_said = msgspec.json.Decoder(Said).decode


def answer_of(content: bytes) -> Any:
    """Return a whole answer as `Plain` or as whatever JSON it is. Raises as `chunk_of` does."""
    try:
        return _plain(content)
    except msgspec.ValidationError:
        return msgspec.json.decode(content)


def chunk_of(data: str) -> Any:
    """Return the chunk as `Said` or as whatever JSON it is. Raises msgspec's DecodeError, or RecursionError."""
    if 'content":' in data:
        try:
            return _said(data)
        except msgspec.ValidationError:
            pass
    return msgspec.json.decode(data)
