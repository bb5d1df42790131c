"""The installation's secret: what API keys are hashed with, what subjects are hashed with, what audit is signed with.

Lose it and keys stop working and subjects cannot be found; it belongs in the backup, not in the repository.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from headgate.kernel import InvalidInput, Unavailable

_BLOCK = 64
_INNER, _OUTER = bytes(byte ^ 0x36 for byte in range(256)), bytes(byte ^ 0x5C for byte in range(256))
"""What HMAC (RFC 2104) does to each byte of its key, on its way in and on its way out."""


class Secret:
    """32 bytes or more that this installation alone knows. Purposes are kept apart by their labels."""

    def __init__(self, value: bytes) -> None:
        if len(value) < 32:
            raise InvalidInput("the installation's secret is too short", "it needs 32 bytes or more")
        key = (value if len(value) <= _BLOCK else sha256(value).digest()).ljust(_BLOCK, b"\0")
        self._inner, self._outer = sha256(key.translate(_INNER)), sha256(key.translate(_OUTER))

    def __repr__(self) -> str:
        return "Secret(…)"

    @classmethod
    def load(cls, path: Path) -> Secret:
        """Read the secret's file, made with mode 0600 the first time. Safe when several processes start at once."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _make(path)
        try:
            return cls(path.read_bytes())
        except OSError as problem:
            raise Unavailable(f"the secret {path} cannot be read: {problem.strerror}", "check its owner") from None

    def key_hash(self, token: str) -> str:
        """Return what is stored of an API key: HMAC-SHA-256 of its token, in hexadecimal."""
        return self._mac("key", token)

    def subject(self, project: str, name: str) -> str:
        """Return the keyed hash that stands for a person in one project; '' stays ''."""
        return self._mac("subject", f"{project}\0{name}")[:32] if name else ""

    def session(self, text: str) -> str:
        """Return the signature of what a browser is given to keep: sessions, and tokens of forms."""
        return self._mac("session", text)

    def signing_key(self) -> Any:
        """Return the Ed25519 private key that signs audit checkpoints."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self._mac("sign", "audit")))

    def _mac(self, purpose: str, text: str) -> str:
        """Return HMAC-SHA-256 of a text, from its key's two blocks as hashed once: every request asks for one, and
        `hmac.digest` takes ten times as long inside a server."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{purpose}\0{text}".encode())
        outer.update(inner.digest())
        return outer.hexdigest()


def _make(path: Path) -> None:
    """Write fresh random bytes beside `path` and link them there: whole or not at all, and never over another's."""
    beside = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, os.urandom(32))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(beside, path)
    except FileExistsError:
        return
    finally:
        beside.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
