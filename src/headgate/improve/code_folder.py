"""The folder that a server trains from: the project's own files, never a blob (decision 22).

Wired by `platform` (the project's folder, or what HEADGATE_CODE names), used by label questions and by the retraining
job, which works on a copy. Nothing here writes into the folder itself: git is the source (decision 6).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from headgate.artifacts import FILE as LOCK
from headgate.data import Expectations, added, read_expectations
from headgate.kernel import Unavailable
from headgate.train import sources_of

_FOLDERS = ("data", "models")
_FILES = ("headgate.yaml", LOCK)


@dataclass(frozen=True, slots=True)
class CodeFolder:
    """A checkout of the project."""

    root: Path

    def check(self, model: str) -> None:
        """Raise Unavailable, saying what to set, when the code of a model is not here."""
        if not (self.root / f"{model}.py").is_file():
            raise Unavailable(
                f"there is no {model}.py in {self.root}, so this server cannot train",
                "set HEADGATE_CODE to a checkout of the project, or train where the files are and release as usual",
            )

    def expectations(self, dataset: str) -> Expectations:
        """Return what is expected of a dataset. Raises NotFound, or InvalidInput with file and line."""
        return read_expectations(self.root, dataset)

    @contextmanager
    def copy(self, model: str, dataset: str, lines: str) -> Iterator[Path]:
        """Yield a scratch copy of what training needs, with `lines` at the end of the dataset's file; it goes after."""
        self.check(model)
        with TemporaryDirectory(prefix="headgate-retrain-") as name:
            scratch = Path(name) / "project"
            scratch.mkdir()
            for file in (*_FILES, *sources_of(self.root, model)):
                _copy(self.root / file, scratch / file)
            for folder in _FOLDERS:
                if (self.root / folder).is_dir():
                    ignored = shutil.ignore_patterns(".*", "__pycache__")
                    shutil.copytree(self.root / folder, scratch / folder, ignore=ignored, dirs_exist_ok=True)
            source = scratch / self.expectations(dataset).source
            _copy(self.root / self.expectations(dataset).source, source)
            text = source.read_bytes().decode("utf-8")
            source.write_text(added(text, lines) if lines else text, encoding="utf-8", newline="")
            yield scratch


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
