"""Code digests: the file and what it imports from the project, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.kernel import InvalidInput
from headgate.train import code_digest, sources_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "models/router.py": "import sklearn\nfrom models.words import stop\nfrom . import labels\n"
        "def fit():\n    import lib.deep.down\n    from .. import top\n",
        "models/words.py": "from lib import shared\n",
        "models/labels.py": "",
        "models/unused.py": "",
        "lib/__init__.py": "from .shared import x\n",
        "lib/shared.py": "import models.words\n",
        "lib/deep/__init__.py": "",
        "lib/deep/down.py": "",
        "top.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed_inside_the_project(root: Path) -> None:
    assert list(sources_of(root, "models/router")) == [
        "lib/__init__.py", "lib/deep/__init__.py", "lib/deep/down.py", "lib/shared.py", "models/labels.py",
        "models/router.py", "models/words.py", "top.py",
    ]  # fmt: skip


def test_any_of_them_changes_the_digest_and_others_do_not(root: Path) -> None:
    before = code_digest(root, "models/router")
    (root / "models/unused.py").write_text("x = 1\n")
    (root / "models/words.py").write_bytes(b"from lib import shared\r\n")
    assert code_digest(root, "models/router") == before
    for file in sources_of(root, "models/router"):
        text = (root / file).read_text()
        (root / file).write_text(text + "# changed\n")
        assert code_digest(root, "models/router") != before
        (root / file).write_text(text)
    assert code_digest(root, "models/router") == before


def test_nothing_of_it_runs(root: Path) -> None:
    (root / "models/words.py").write_text("raise SystemExit\n")
    assert code_digest(root, "models/router")


@pytest.mark.parametrize(("text", "line"), [("x = (\n", 1), ("\n\ndef f(:\n", 3)])
def test_broken_python_is_told_by_file_and_line(root: Path, text: str, line: int) -> None:
    (root / "models/words.py").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        code_digest(root, "models/router")
    assert str(caught.value.where) == f"models/words.py:{line}"
