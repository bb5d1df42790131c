"""Blobs: bytes named by their SHA-256, in a folder, in memory or in any object store that obstore knows.

Digests are verified on every read, from the very bytes that are returned (P16). A blob that `put` acknowledged is on
disk: obstore writes beside and renames, which no reader sees half of, and a folder is synced afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from headgate.kernel import Corrupt, InvalidInput, NotFound, Unavailable, blob_digest, is_digest


class Blobs:
    """A content-addressed store: a folder (`/abs/folder`, `file:///abs/folder`), `memory://`, `s3://bucket/prefix` …"""

    def __init__(self, url: str) -> None:
        plain = url.removeprefix("file://")
        self._folder = Path(plain).absolute() if "://" not in plain else None
        self.url = self._folder.as_uri() if self._folder else url

    def put(self, content: bytes) -> str:
        """Store bytes and return their digest. Storing them again changes nothing, or repairs what was damaged."""
        import obstore

        digest = blob_digest(content)
        with _told(self.url):
            if not self._intact(digest, content):
                obstore.put(self._store, _key(digest), content)
                self._sync(digest)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest. Raises NotFound, or Corrupt when they are not what the digest says."""
        with _told(self.url):
            content = self._read(digest)
        if content is None:
            raise NotFound(f"there is no blob {digest}", "it was never uploaded here, or was erased")
        if blob_digest(content) != digest:
            raise Corrupt(f"the blob {digest} does not hold what its name says", "restore it from a backup")
        return content

    def has(self, digest: str) -> bool:
        """Whether the store holds a blob of this name; its bytes are not looked at."""
        with _told(self.url):
            return self._size(digest) is not None

    def _size(self, digest: str) -> int | None:
        import obstore

        try:
            return int(obstore.head(self._store, _key(digest))["size"])
        except FileNotFoundError:
            return None

    def _read(self, digest: str) -> bytes | None:
        import obstore

        try:
            return bytes(obstore.get(self._store, _key(digest)).bytes())
        except FileNotFoundError:
            return None

    def _intact(self, digest: str, content: bytes) -> bool:
        """Whether these bytes are stored already; on a far store only their length is compared."""
        return self._read(digest) == content if self._folder else self._size(digest) == len(content)

    def _sync(self, digest: str) -> None:
        """Wait until a blob of a folder, its name, and the name of its folder are on disk."""
        if self._folder is None:
            return
        file = self._folder / _key(digest)
        for path in (file, file.parent, self._folder):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @cached_property
    def _store(self) -> Any:
        from obstore.exceptions import BaseError
        from obstore.store import LocalStore, from_url

        try:
            return LocalStore(self._folder, mkdir=True) if self._folder else from_url(self.url)
        except (BaseError, ValueError, OSError) as problem:
            hint = "a folder, memory:// or s3://bucket/prefix"
            raise InvalidInput(f"blobs cannot be stored in {self.url}: {problem}", hint) from None


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn a store that does not answer, or has no room, into one sentence."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as problem:
        text = str(problem).strip().splitlines()[0]
        raise Unavailable(f"the blobs cannot be used: {text}", f"check space and rights of {url}") from None


def _key(digest: str) -> str:
    if not is_digest(digest):
        raise NotFound(f"{digest!r} is no digest of a blob", "it is written sha256:… with 64 hexadecimal digits")
    plain = digest.removeprefix("sha256:")
    return f"{plain[:2]}/{plain}"
