"""A file of rows as it was read: columns, values and the line of every row. Called by everything in this package.

Reading never looks at expectations: a value of a CSV file is text, of a JSONL file what JSON says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from headgate.kernel import InvalidInput, NotFound, Where, blob_digest, nearest, normalise, plugins

MAX_BYTES = 256 * 1024 * 1024
MAX_COLUMNS = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot be read as a row of this table; it is left out."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in the order of the file.

    rows: values in the order of `columns`, None for what is not there. lines: 1-based line where each row begins.
    textual: every value is text and has to be read as the type that is expected. content: digest of the text.
    """

    columns: tuple[str, ...]
    rows: list[list[Any]]
    lines: list[int]
    faults: list[Fault] = field(default_factory=list)
    textual: bool = False
    content: str = ""


class Reader(Protocol):
    """What a file of `readers/` offers; the file's name is the suffix of the files that it reads."""

    behaviour: int

    def read(self, text: str, file: str) -> Table:
        """Read text in normal form (NFC, LF). Raises InvalidInput, naming the line, when there is no table in it."""
        ...

    def lines(self, text: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
        """Return rows as lines that may follow `text`, the file so far; each ends with LF."""
        ...


def read_table(root: Path, file: str) -> Table:
    """Read a data file by its suffix; `file` is relative to `root`, or absolute.

    Raises NotFound, or InvalidInput for a suffix that no reader reads, text that is not UTF-8 and files over 256 MiB.
    """
    reader: Reader = plugins.load("readers", _suffix(file))
    text = _text(root, file)
    table = reader.read(text, file)
    if len(table.columns) > MAX_COLUMNS:
        raise InvalidInput(f"has {len(table.columns)} columns, at most {MAX_COLUMNS} are read", where=Where(file))
    return Table(table.columns, table.rows, table.lines, table.faults, table.textual, content_digest(text))


def lines_of(root: Path, file: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as lines to add at the end of a data file that is there; `added` does it."""
    reader: Reader = plugins.load("readers", _suffix(file))
    text = _text(root, file)
    return reader.lines(text, reader.read(text, file).columns, rows)


def added(text: str, lines: str) -> str:
    """Return a data file's text with lines at its end; what was there stays as it was, in its own line ends."""
    end = "\r\n" if "\r\n" in text else "\n"
    return text.rstrip("\r\n") + end + normalise(lines).replace("\n", end)


def content_of(root: Path, file: str) -> str:
    """Return the digest of a file's text in normal form, so that other line ends are no change."""
    return content_digest(_text(root, file))


def content_digest(text: str) -> str:
    return blob_digest(text.encode("utf-8"))


def _suffix(file: str) -> str:
    suffix = Path(file).suffix.removeprefix(".").lower()
    known = plugins.names("readers")
    if suffix not in known:
        ends = ", ".join(f".{name}" for name in known)
        raise InvalidInput("is no file of rows that can be read", f"its name should end in {ends}", where=Where(file))
    return suffix


def _text(root: Path, file: str) -> str:
    path = root / file
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput("is larger than 256 MiB", "split it into several datasets", where=Where(file))
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no file {file}", _beside(path, file), where=Where(file)) from None
    except OSError as problem:
        raise InvalidInput(f"cannot be read: {problem.strerror}", where=Where(file)) from None
    try:
        return normalise(raw.decode("utf-8"))
    except UnicodeDecodeError as problem:
        line = raw[: problem.start].count(b"\n") + 1
        raise InvalidInput("is not UTF-8 text", "save the file as UTF-8", where=Where(file, line)) from None


def _beside(path: Path, file: str) -> str:
    if not path.parent.is_dir():
        return ""
    folder = file.rpartition("/")[0]
    return nearest(file, [f"{folder}/{child.name}".lstrip("/") for child in path.parent.iterdir() if child.is_file()])
