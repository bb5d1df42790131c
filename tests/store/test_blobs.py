"""P16: bytes by digest, verified on every read; in a folder, in memory and in a bucket alike."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import obstore
import pytest

from headgate.kernel import Corrupt, InvalidInput, NotFound, Unavailable, blob_digest
from headgate.store import Blobs


@dataclass(frozen=True)
class Shelf:
    """Blobs, and a way to change their bytes behind their back."""

    blobs: Blobs
    overwrite: Callable[[str, bytes], None]


@pytest.fixture(params=["folder", "url", "memory", "bucket"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """Blobs in a folder named by its path or its URL, in memory, and in a bucket."""
    if request.param == "bucket":
        place = request.getfixturevalue("place")
        blobs = Blobs(place.url, place.bucket)
    else:
        folder = tmp_path / "deep" / "a b"
        urls = {"folder": str(folder), "url": f"file://{folder}", "memory": "memory://"}
        blobs = Blobs(urls[request.param])

    def overwrite(digest: str, content: bytes) -> None:
        plain = digest.removeprefix("sha256:")
        obstore.put(blobs._store, f"{plain[:2]}/{plain}", content)

    return Shelf(blobs, overwrite)


@pytest.fixture
def blobs(shelf: Shelf) -> Blobs:
    return shelf.blobs


@pytest.mark.parametrize(
    "content",
    [b"", b"page", b"\0" * 100, b"x" * 5 * 2**20, b"x" * (5 * 2**20 + 1), bytes(range(256)) * 100_000],
    ids=["empty", "text", "nul", "one part", "two parts", "26 MB"],
)
def test_what_is_put_comes_back(blobs: Blobs, content: bytes) -> None:
    digest = blobs.put(content)
    assert digest == blob_digest(content)
    assert blobs.has(digest)
    assert blobs.get(digest) == content
    assert blobs.put(content) == digest


def test_what_was_never_put_is_not_found(blobs: Blobs) -> None:
    absent = blob_digest(b"never")
    assert not blobs.has(absent)
    with pytest.raises(NotFound):
        blobs.get(absent)


@pytest.mark.parametrize("name", ["../../etc/passwd", "sha256:" + "A" * 64, "", "sha256:", "a" * 64])
def test_only_digests_are_names(blobs: Blobs, name: str) -> None:
    for look in (blobs.get, blobs.has):
        with pytest.raises(NotFound, match="no digest"):
            look(name)


def file_of(folder: Path, digest: str) -> Path:
    [found] = folder.rglob(digest.removeprefix("sha256:"))
    return found


def test_blobs_lie_in_folders_by_prefix(tmp_path: Path) -> None:
    digest = Blobs(str(tmp_path)).put(b"page")
    plain = digest.removeprefix("sha256:")
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()] == [
        f"{plain[:2]}/{plain}"
    ]


@pytest.mark.parametrize("position", [0, 500, 999])
def test_a_flipped_byte_is_corrupt(shelf: Shelf, position: int) -> None:
    digest = shelf.blobs.put(b"p" * 1000)
    content = bytearray(b"p" * 1000)
    content[position] ^= 1
    shelf.overwrite(digest, bytes(content))
    with pytest.raises(Corrupt, match=digest):
        shelf.blobs.get(digest)


@pytest.mark.parametrize(
    "damage", [b"", b"p" * 999, b"p" * 1001, b"q" * 1000], ids=["cut to nothing", "cut", "longer", "other"]
)
def test_damage_is_corrupt_and_storing_again_repairs_it(shelf: Shelf, damage: bytes) -> None:
    digest = shelf.blobs.put(b"p" * 1000)
    shelf.overwrite(digest, damage)
    with pytest.raises(Corrupt):
        shelf.blobs.get(digest)
    shelf.blobs.put(b"p" * 1000)
    assert shelf.blobs.get(digest) == b"p" * 1000


def test_many_may_store_the_same_and_others_at_once(blobs: Blobs) -> None:
    contents = [bytes([number % 4]) * 300_000 for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        digests = list(threads.map(blobs.put, contents))
        assert list(threads.map(blobs.get, digests)) == contents
    assert len(set(digests)) == 4


def test_a_probe_leaves_nothing_behind(blobs: Blobs) -> None:
    blobs.probe()
    assert [item for group in obstore.list(blobs._store) for item in group] == []


def test_a_link_to_other_bytes_is_corrupt(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path / "blobs"))
    digest = blobs.put(b"page")
    (tmp_path / "other").write_bytes(b"other")
    file = file_of(tmp_path / "blobs", digest)
    file.unlink()
    file.symlink_to(tmp_path / "other")
    with pytest.raises(Corrupt):
        blobs.get(digest)


def test_a_blob_under_another_name_is_corrupt(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    first, second = blobs.put(b"first"), blobs.put(b"second")
    file_of(tmp_path, first).write_bytes(file_of(tmp_path, second).read_bytes())
    with pytest.raises(Corrupt):
        blobs.get(first)


def test_an_unchanged_blob_is_not_written_again(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    file = file_of(tmp_path, blobs.put(b"page"))
    before = file.stat()
    blobs.put(b"page")
    after = file.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_store_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be stored"):
        Blobs("nonsense://bucket").put(b"x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((InvalidInput, Unavailable)):
        Blobs(str(tmp_path / "file")).put(b"x")
    assert stat.S_ISREG((tmp_path / "file").stat().st_mode)


@pytest.mark.parametrize("failing", ["blob", "its folder"])
def test_nothing_is_believed_after_a_failed_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """What a failed sync left in memory looks written: it is neither kept nor acknowledged by storing it again."""
    blobs, fsync, asked = Blobs(str(tmp_path)), os.fsync, list[int]()
    good = blobs.put(b"good")

    def broken(descriptor: int) -> None:
        asked.append(descriptor)
        if len(asked) == (1 if failing == "blob" else 2):
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", broken)
    for _ in range(2):
        with pytest.raises(Unavailable):
            blobs.put(b"page")
    assert "Input/output error" in blobs.broken
    assert Blobs(str(tmp_path)).has(blob_digest(b"page")) == (failing != "blob")
    assert blobs.get(good) == b"good"


def test_storing_what_another_wrote_syncs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one may have died between its write and its sync."""
    Blobs(str(tmp_path)).put(b"page")
    asked: list[int] = []
    monkeypatch.setattr(os, "fsync", asked.append)
    Blobs(str(tmp_path)).put(b"page")
    assert len(asked) == 3
