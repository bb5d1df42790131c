"""`headgate.lock`: digests of what was trained and ingested, committed with the project's files.

Written by `data add` and `train`, read by `release create`. The text is the same for the same content, so that it
diffs and merges well; nothing here looks at data, code or models.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, StringConstraints

from headgate.kernel import InvalidInput, NotFound, Where, normalise, parse_yaml, read_text, validate

FILE = "headgate.lock"
_NOTE = "# Written by `headgate data add` and `headgate train`. Commit it; do not edit it.\n"
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>")

Section = Literal["datasets", "models"]
_Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class DatasetEntry(BaseModel):
    """One ingested dataset: its digest, and digests of the source file and the expectations that it was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    digest: _Digest
    source: str
    content: _Digest
    expectations: _Digest
    rows: int


class ModelEntry(BaseModel):
    """One trained model: its digest, and everything that training it again would need to be the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    digest: _Digest
    data: str
    dataset: _Digest
    code: _Digest
    seed: int
    params: dict[str, Any] = {}
    environment: dict[str, str] = {}
    metrics: dict[str, float] = {}


class Lock(BaseModel):
    """The lock file's content."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    headgate: Literal[1] = 1
    datasets: dict[str, DatasetEntry] = {}
    models: dict[str, ModelEntry] = {}

    @classmethod
    def read(cls, root: Path) -> Self:
        """Read the project's lock; a project without one has an empty lock. Raises InvalidInput with file and line."""
        try:
            text = read_text(root, FILE)
        except NotFound:
            return cls()
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith(_CONFLICT):
                hint = "keep either side, then run `headgate data add` and `headgate train` again"
                raise InvalidInput("holds an unfinished merge", hint, where=Where(FILE, number))
        return validate(cls, parse_yaml(text, FILE))

    def dataset(self, path: str) -> DatasetEntry | None:
        return self.datasets.get(path)

    def model(self, path: str) -> ModelEntry | None:
        return self.models.get(path)

    def with_entry(self, section: Section, path: str, entry: DatasetEntry | ModelEntry) -> Lock:
        """Return a lock that holds `entry` instead of what `path` had."""
        return self.model_copy(update={section: {**getattr(self, section), path: entry}})

    def text(self) -> str:
        """Return the file's text: YAML 1.2, keys sorted, quoted wherever plain text could be read as something else."""
        sections: dict[str, Mapping[str, BaseModel]] = {"datasets": self.datasets, "models": self.models}
        data = {
            name: {path: entry.model_dump(exclude_defaults=True) for path, entry in found.items()}
            for name, found in sections.items()
            if found
        }
        return f"headgate: {self.headgate}\n{_NOTE}" + "".join(_lines(data, ""))

    def write(self, root: Path) -> None:
        """Replace the project's lock file in one step; a reader sees the old text or the new one, never a part."""
        descriptor, name = tempfile.mkstemp(prefix=".headgate-lock-", dir=root)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.text().encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, root / FILE)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise

    @classmethod
    def update(cls, root: Path, section: Section, path: str, entry: DatasetEntry | ModelEntry) -> None:
        """Read, set one entry and write, while other processes that do the same wait: two trainings lose nothing."""
        with _alone(root):
            cls.read(root).with_entry(section, path, entry).write(root)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows: the replacement is still atomic, only two trainings at once are not merged
        yield
        return
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lines(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key in sorted(value):
        item = value[key]
        if isinstance(item, Mapping) and item:
            yield f"{indent}{_plain(key)}:\n"
            yield from _lines(item, indent + "  ")
        else:
            yield f"{indent}{_plain(key)}: {_flow(item)}\n"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_plain(key)}: {_flow(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{value} cannot be written to {FILE}", "JSON and YAML hold finite numbers only")
    return json.dumps(value)


def _plain(text: str) -> str:
    """Return text as it is where no YAML reader could take it for anything else, quoted otherwise."""
    text = normalise(text)
    simple = text.replace("/", "").replace("_", "").replace("-", "").replace(":", "").replace(".", "")
    harmless = simple.isascii() and simple.isalnum() and text[0].isalpha() and text[-1] != ":"
    if harmless and text.lower() not in ("true", "false", "null", "yes", "no", "on", "off", "y", "n"):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
