"""The installation's secret: made once, readable by its owner only, one value for each purpose."""

from __future__ import annotations

import hmac
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.kernel import InvalidInput
from headgate.store import Secret


def test_it_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    first = Secret.load(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32
    assert Secret.load(path).key_hash("x") == first.key_hash("x")
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


@pytest.mark.slow
def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from headgate.store import Secret;"
        "print(Secret.load(Path(sys.argv[1])).key_hash('x'))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "secret")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    assert len({process.communicate()[0] for process in started}) == 1


@pytest.mark.parametrize("length", [32, 63, 64, 65, 200])
def test_what_is_stored_is_hmac_sha_256(length: int) -> None:
    """RFC 2104: keys up to a block as they are, longer ones hashed. Stored hashes of keys depend on it."""
    value = bytes(range(length))
    for token in ("", "hg_1", "ü" * 100):
        assert Secret(value).key_hash(token) == hmac.digest(value, f"key\0{token}".encode(), "sha256").hex()


def test_purposes_projects_and_installations_are_kept_apart() -> None:
    one, other = Secret(b"1" * 32), Secret(b"2" * 32)
    values = [
        one.key_hash("person_a"),
        other.key_hash("person_a"),
        one.subject("acme", "person_a"),
        one.subject("other", "person_a"),
        one.subject("acme", "person_d"),
        other.subject("acme", "person_a"),
    ]
    assert len({value[:32] for value in values}) == len(values)
    assert "person_a" not in "".join(values)


def test_nobody_is_nobody() -> None:
    assert Secret(b"1" * 32).subject("acme", "") == ""


def test_the_signing_key_stays_the_same() -> None:
    first, again = Secret(b"1" * 32).signing_key(), Secret(b"1" * 32).signing_key()
    first.public_key().verify(again.sign(b"x"), b"x")


def test_a_short_secret_is_refused_and_none_is_ever_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(InvalidInput, match="32 bytes"):
        Secret.load(tmp_path / "secret")
    assert "111" not in repr(Secret(b"1" * 32))
