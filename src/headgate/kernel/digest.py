"""Identity: canonical bytes and the digest over them. Golden vectors stand in `tests/vectors/` and never change.

Source: RFC 8785 (JSON Canonicalization Scheme). An id is `sha256:` + 64 hex over `kind \\0 schema \\0 bytes`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any

import rfc8785
from pydantic import BaseModel

from .errors import InvalidInput

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def canonical(document: Any) -> bytes:
    """Return RFC 8785 bytes of a JSON-like value. Raises InvalidInput for what JSON cannot hold (NaN, huge ints)."""
    try:
        return rfc8785.dumps(document)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as problem:
        raise InvalidInput(f"cannot be written as canonical JSON: {problem}") from None


def digest(kind: str, schema: int, content: bytes) -> str:
    """Return the id of an artifact: `sha256:` + hex over kind, schema number and canonical bytes."""
    return "sha256:" + hashlib.sha256(f"{kind}\0{schema}\0".encode() + content).hexdigest()


def blob_digest(content: bytes) -> str:
    """Return the address of raw bytes: plain SHA-256, the same that `sha256sum` prints."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def is_digest(text: str) -> bool:
    return bool(_DIGEST.fullmatch(text))


def short(name: str) -> str:
    """Shorten a digest for people: `sha256:1f3a…` becomes `1f3a9c02b7d4`; other names stay."""
    return name[7:19] if is_digest(name) else name


def normalise(text: str) -> str:
    """Return text in the form that is hashed: NFC, LF line ends, no byte order mark."""
    return unicodedata.normalize("NFC", text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))


def document_of(model: BaseModel) -> dict[str, Any]:
    """Return the JSON-like document of a parsed model, with keys equal to their default left out."""
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
