"""Blobs: bytes named by their SHA-256, in a folder, in memory or in any object store that obstore knows.

Digests are verified on every read, from the bytes that are returned (P16).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from headgate.kernel import Corrupt, NotFound, blob_digest, is_digest


class Blobs:
    """A content-addressed store by URL: `file:///abs/folder`, `memory://`, `s3://bucket/prefix` …"""

    def __init__(self, url: str) -> None:
        self.url = url

    def put(self, content: bytes) -> str:
        """Store bytes and return their digest; storing the same bytes again changes nothing."""
        import obstore

        digest = blob_digest(content)
        if not self.has(digest):
            obstore.put(self._store, _key(digest), content)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest. Raises NotFound, or Corrupt when they are not what the digest says."""
        import obstore

        try:
            content = bytes(obstore.get(self._store, _key(digest)).bytes())
        except FileNotFoundError:
            raise NotFound(f"there is no blob {digest}", "it was never uploaded here, or was erased") from None
        if blob_digest(content) != digest:
            raise Corrupt(f"the blob {digest} does not hold what its name says", "restore it from a backup")
        return content

    def has(self, digest: str) -> bool:
        """Whether the store holds a blob of this name; its bytes are not looked at."""
        import obstore

        try:
            obstore.head(self._store, _key(digest))
        except FileNotFoundError:
            return False
        return True

    @cached_property
    def _store(self) -> Any:
        from obstore.store import from_url

        if self.url.startswith("file://"):
            Path(self.url.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
        return from_url(self.url)


def _key(digest: str) -> str:
    if not is_digest(digest):
        raise NotFound(f"{digest!r} is no digest of a blob", "it is written sha256:… with 64 hexadecimal digits")
    plain = digest.removeprefix("sha256:")
    return f"{plain[:2]}/{plain}"
