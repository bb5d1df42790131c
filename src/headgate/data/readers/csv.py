"""Reads CSV: a header line, then rows; quoted values may hold line ends. Comma, semicolon or tab, as in the header.

Source: RFC 4180, read strictly: a quote that is never closed is told with the line where its row began.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.data.table import Fault, Table
from headgate.kernel import InvalidInput, Where

_MAX_CELL = 131_072


class Plugin:
    behaviour = 1

    def read(self, text: str, file: str) -> Table:
        if "\0" in text:
            line = text[: text.index("\0")].count("\n") + 1
            raise InvalidInput("holds a NUL character", "save it as UTF-8 text", where=Where(file, line))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        columns: tuple[str, ...] = ()
        rows: list[list[str | None]] = []
        lines: list[int] = []
        faults: list[Fault] = []
        while True:
            line = reader.line_num + 1
            try:
                values = next(reader, None)
            except csv.Error as problem:
                raise _unreadable(problem, file, line) from None
            if values is None:
                break
            if not values:
                continue
            if not columns:
                columns = _header(values, file, line)
            elif len(values) != len(columns):
                faults.append(Fault(line, f"has {len(values)} values, expected {len(columns)}"))
            else:
                rows.append([value if value.strip() else None for value in values])
                lines.append(line)
        if not columns:
            raise InvalidInput("is empty", "the first line names the columns", where=Where(file, 1))
        return Table(columns, rows, lines, faults, textual=True)

    def lines(self, text: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=_delimiter(text), lineterminator="\n")
        writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
        return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _delimiter(text: str) -> str:
    header = text.lstrip("\n").split("\n", 1)[0]
    return max(",;\t", key=lambda mark: (header.count(mark), mark == ","))


def _header(values: list[str], file: str, line: int) -> tuple[str, ...]:
    names = tuple(value.strip() for value in values)
    for index, name in enumerate(names):
        if not name:
            raise InvalidInput(f"column {index + 1} has no name", "name it in the first line", where=Where(file, line))
        if name in names[:index]:
            raise InvalidInput(f"the column {name!r} is there twice", "rename one of them", where=Where(file, line))
    return names


def _unreadable(problem: csv.Error, file: str, line: int) -> InvalidInput:
    if "field limit" in str(problem):
        hint = f"a value holds at most {_MAX_CELL} characters: is a quote not closed?"
        return InvalidInput("a value is too long", hint, where=Where(file, line))
    hint = 'close every quote, and write a quote inside a quoted value twice: "he said ""no"""'
    return InvalidInput(f"the row that begins here is not valid CSV: {problem}", hint, where=Where(file, line))


plugin = Plugin()
