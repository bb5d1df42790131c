"""P16: bytes by digest, verified on every read; on a folder whole or not at all, and there after a kill."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from headgate.kernel import Corrupt, InvalidInput, NotFound, Unavailable, blob_digest
from headgate.store import Blobs


@pytest.fixture(params=["folder", "url", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Blobs in a folder named by its path or its URL, and in memory."""
    folder = tmp_path / "deep" / "a b"
    return Blobs({"folder": str(folder), "url": f"file://{folder}", "memory": "memory://"}[request.param])


@pytest.mark.parametrize("content", [b"", b"page", b"\0" * 100, b"x" * 7_000_000], ids=["empty", "text", "nul", "7 MB"])
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
def test_a_flipped_byte_is_corrupt(tmp_path: Path, position: int) -> None:
    blobs = Blobs(str(tmp_path))
    digest = blobs.put(b"p" * 1000)
    file = file_of(tmp_path, digest)
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(Corrupt, match=digest):
        blobs.get(digest)


@pytest.mark.parametrize(
    "damage", [b"", b"p" * 999, b"p" * 1001, b"q" * 1000], ids=["cut to nothing", "cut", "longer", "other"]
)
def test_damage_is_corrupt_and_storing_again_repairs_it(tmp_path: Path, damage: bytes) -> None:
    blobs = Blobs(str(tmp_path))
    digest = blobs.put(b"p" * 1000)
    file_of(tmp_path, digest).write_bytes(damage)
    with pytest.raises(Corrupt):
        blobs.get(digest)
    blobs.put(b"p" * 1000)
    assert blobs.get(digest) == b"p" * 1000


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
