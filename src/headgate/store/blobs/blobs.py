"""Blobs: bytes named by their SHA-256, in a folder, in memory or in a bucket, through obstore.

Digests are verified on every read, from the very bytes that are returned (P16). A blob that `put` acknowledged is
there: a folder is synced after obstore wrote beside and renamed, which no reader sees half of; a bucket has told the
MD5 of what it received, or is read back.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from headgate.kernel import Corrupt, InvalidInput, NotFound, Unavailable, blob_digest, is_digest

from .bucket import Bucket, explained, is_absent, open_bucket

_PART = 5 * 2**20
"""Bytes of one request: what is larger goes in parts, so that the time for each can be bounded."""
_AT_ONCE = 4


class Blobs:
    """A content-addressed store: a folder (`/abs/folder`, `file:///abs/folder`), `memory://`, `s3://bucket/prefix`."""

    def __init__(self, url: str, bucket: Bucket | None = None) -> None:
        """bucket: how to reach one; a folder needs none. Nothing is opened before the first use."""
        plain = url.removeprefix("file://")
        self._folder = Path(plain).absolute() if "://" not in plain else None
        self._bucket = bucket or Bucket()
        self.broken = ""
        """Why nothing more can be stored in a folder after a sync failed; a server that finds it set must end."""
        self.url = self._folder.as_uri() if self._folder else url

    @property
    def far(self) -> bool:
        """Whether other machines see these blobs too."""
        return self._folder is None and self.url != "memory://"

    def put(self, content: bytes) -> str:
        """Store bytes and return their digest. Storing them again changes nothing, or repairs what was damaged.

        Raises Unavailable when they are not stored, or the bucket received others than were sent.
        """
        digest = blob_digest(content)
        key = _key(digest)
        with self._told():
            if self.broken:
                raise OSError(f"an earlier sync failed: {self.broken}")
            if not self._intact(key, content):
                self._write(key, content)
            elif self._folder:  # whoever wrote it may have died before it was synced
                self._sync(self._folder, key)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest. Raises NotFound, or Corrupt when they are not what the digest says."""
        key = _key(digest)
        with self._told():
            content = self._read(key)
        if content is None:
            raise NotFound(f"there is no blob {digest}", "it was never uploaded here, or was erased")
        if blob_digest(content) != digest:
            raise Corrupt(f"the blob {digest} does not hold what its name says", "restore it from a backup")
        return content

    def has(self, digest: str) -> bool:
        """Whether the store holds a blob of this name; its bytes are not looked at."""
        key = _key(digest)
        with self._told():
            return self._head(key) is not None

    def probe(self) -> None:
        """Write something small, read it back and delete it, so that what is wrong is known before it matters.

        Raises Unavailable or InvalidInput with what to check. It leaves nothing behind where it may delete.
        """
        import obstore
        from obstore.exceptions import BaseError

        key, content = f"probe-{secrets.token_hex(8)}", secrets.token_bytes(64)
        with self._told():
            self._write(key, content)
            found = self._read(key)
            with suppress(BaseError, OSError):  # who may not delete can store blobs all the same
                obstore.delete(self._store, key)
        if found != content:
            raise Unavailable("what was stored as a blob is not what comes back", f"check {self.url}")

    def _head(self, key: str) -> Any:
        import obstore

        try:
            return obstore.head(self._store, key)
        except FileNotFoundError:
            return None

    def _read(self, key: str) -> bytes | None:
        import obstore

        try:
            found = obstore.get(self._store, key)
            size = int(found.meta["size"])
            if self._folder or size <= _AT_ONCE * _PART:
                return bytes(found.bytes())
        except FileNotFoundError as problem:
            if is_absent(problem):
                return None
            raise
        return self._in_parts(key, size)

    def _in_parts(self, key: str, size: int) -> bytes:
        import obstore

        def part(start: int) -> bytes:
            return bytes(obstore.get_range(self._store, key, start=start, end=min(start + _PART, size)))

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return b"".join(threads.map(part, range(0, size, _PART)))

    def _intact(self, key: str, content: bytes) -> bool:
        """Whether these bytes are stored already."""
        found = self._head(key)
        if found is None or found["size"] != len(content):
            return False
        return found["e_tag"] == _e_tag(content) or self._read(key) == content

    def _write(self, key: str, content: bytes) -> None:
        import obstore

        written = obstore.put(self._store, key, content, chunk_size=_PART, max_concurrency=_AT_ONCE)
        if self._folder:
            self._sync(self._folder, key)
        elif written["e_tag"] != _e_tag(content) and self._read(key) != content:
            hint = "try again; if it repeats, check the network and the disks behind the bucket"
            raise Unavailable(f"{self.url} did not store what was sent", hint)

    def _sync(self, folder: Path, key: str) -> None:
        """Wait until a blob, its name, and the name of its folder are on disk.

        What cannot be synced may look written from then on, so it is removed, and nothing more is stored.
        """
        file = folder / key
        for path in (file, file.parent, folder):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            except OSError as problem:
                self.broken = f"{path}: {problem.strerror}"
                if path == file:
                    file.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)

    @cached_property
    def _store(self) -> Any:
        from obstore.exceptions import BaseError
        from obstore.store import LocalStore

        if self._folder is None:
            return open_bucket(self.url, self._bucket)
        try:
            return LocalStore(self._folder, mkdir=True)
        except (BaseError, ValueError, OSError) as problem:
            hint = "a folder, memory:// or s3://bucket/prefix"
            raise InvalidInput(f"blobs cannot be stored in {self.url}: {problem}", hint) from None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn a store that does not answer, or has no room, into one sentence."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as problem:
            if self.far:
                raise explained(problem, self.url, self._bucket) from None
            text = str(problem).strip().splitlines()[0]
            hint = f"check space and rights of {self.url}"
            raise Unavailable(f"the blobs cannot be used: {text}", hint) from None


def _e_tag(content: bytes) -> str:
    """Return what a plain bucket names received bytes: their MD5; of parts, the MD5 of their MD5s and their number."""
    if len(content) <= _PART:
        return f'"{_md5(content).hexdigest()}"'
    whole, view = _md5(), memoryview(content)
    starts = range(0, len(content), _PART)
    for start in starts:
        whole.update(_md5(view[start : start + _PART]).digest())
    return f'"{whole.hexdigest()}-{len(starts)}"'


def _md5(content: bytes | memoryview = b"") -> Any:
    return hashlib.md5(content, usedforsecurity=False)


def _key(digest: str) -> str:
    if not is_digest(digest):
        raise NotFound(f"{digest!r} is no digest of a blob", "it is written sha256:… with 64 hexadecimal digits")
    plain = digest.removeprefix("sha256:")
    return f"{plain[:2]}/{plain}"
