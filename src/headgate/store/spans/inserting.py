"""Rows into a table, and which of them were new: each database in its fast way. Called by `group`, in a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Double, Integer, LargeBinary, Table, Text

Values = tuple[Any, ...]
Again = Callable[[Values], Values]
_TRIES = 100
_REAL = "double precision"
_TYPES: dict[type[Any], str] = {
    Text: "text", BigInteger: "bigint", Integer: "integer", Double: _REAL, LargeBinary: "bytea",
}  # fmt: skip


class Insert:
    """Adds rows (tuples in the table's order) to a table; a row whose key is there already, or twice, is not new."""

    def __init__(
        self, table: Table, key: Sequence[str], dialect: str, *, replace: bool = False, again: Again | None = None
    ) -> None:
        """key: the unique columns that say two rows are the same. replace: whether the later row wins.

        again: makes another row of one whose number is taken, on SQLite, where it must be unique.
        """
        self._names = [column.name for column in table.columns]
        self._at = [self._names.index(name) for name in key]
        self._again = again
        self._table, self._key, self._sqlite, self._replace = table, key, dialect == "sqlite", replace
        self._types = [_TYPES[type(column.type)] for column in table.columns]
        marks = f"VALUES ({', '.join('?' * len(self._names))})"
        self._statement = self._sql(marks) if self._sqlite else self._of_arrays()

    def __call__(self, connection: Connection, rows: Sequence[Values]) -> dict[int, Values]:
        """Add rows; return those that were stored, as stored, by their place. Errors: the driver's or SQLAlchemy's."""
        if not rows:
            return {}
        if self._sqlite:
            # row by row at the driver: as fast as many at once, and only so SQLite says which ones it ignored
            cursor = connection.connection.cursor()
            try:
                return dict(self._one_by_one(cursor, rows))
            finally:
                cursor.close()
        columns = zip(self._types, zip(*rows, strict=True), strict=True)
        arrays = tuple([_float(value) for value in each] if name == _REAL else list(each) for name, each in columns)
        found = connection.exec_driver_sql(self._statement, arrays)
        return self._stored(rows, {tuple(row) for row in found})

    def _one_by_one(self, cursor: Any, rows: Sequence[Values]) -> Iterator[tuple[int, Values]]:
        execute, statement = cursor.execute, self._statement
        for place, row in enumerate(rows):
            stored = row
            for attempt in range(_TRIES):
                try:
                    if execute(statement, stored).rowcount:
                        yield place, stored
                    break
                except sqlite3.IntegrityError as problem:
                    if self._again is None or attempt == _TRIES - 1 or not str(problem).endswith(".id"):
                        raise
                    stored = self._again(row)

    def _stored(self, rows: Sequence[Values], keys: set[Values]) -> dict[int, Values]:
        stored = {}
        for place, row in enumerate(rows):
            key = tuple(row[at] for at in self._at)
            if key in keys:
                keys.remove(key)
                stored[place] = row
        return stored

    def _sql(self, marks: str) -> str:
        columns = ", ".join(f'"{name}"' for name in self._names)
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in self._names if name not in self._key)
        action = f"UPDATE SET {changes}" if self._replace else "NOTHING"
        return f'INSERT INTO "{self._table.name}" ({columns}) {marks} ON CONFLICT ({", ".join(self._key)}) DO {action}'

    def _of_arrays(self) -> str:
        """Return a statement that takes each column as one array, a tenth of the work of a value at a time."""
        arrays = ", ".join(f"%s::{name}[]" for name in self._types)
        return f"{self._sql(f'SELECT * FROM unnest({arrays})')} RETURNING {', '.join(self._key)}"


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
