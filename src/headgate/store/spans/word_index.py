"""The full-text index of requests in SQLite, kept behind: rows wait in `unindexed` until the writer has nothing to do.

`group` notes rows, in their own transaction; the writer calls `catch_up`; `search` reads. What waits is searched row by
row, so nothing is ever missing. The index holds words and facets (exact values of columns and attributes) by id, which
is by time. Its table is contentless: only the same text takes a row out again. PostgreSQL has indexes of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter

from sqlalchemy import Connection

from . import table, words
from .table import Values

_SQL = (
    "CREATE TABLE IF NOT EXISTS unindexed (id INTEGER PRIMARY KEY, old TEXT)",
    # words come folded and between spaces, so the plainest tokenizer is exact; without positions the index is a third
    """CREATE VIRTUAL TABLE IF NOT EXISTS words USING
       fts5(document, content='', columnsize=0, detail=none, tokenize='ascii')""",
)
_NOTED = 64
_NOTE = f"INSERT INTO unindexed (id) VALUES {', '.join(['(?)'] * _NOTED)} ON CONFLICT DO NOTHING"
FACETS = (
    "project_id", "app", "environment", "release", "route", "status", "source", "label", "model", "key_id", "session",
    "subject", "blocked_by",
)  # fmt: skip
_FEW = 9
"""The first so many of them have few values, which many rows share."""
_RARE = FACETS[_FEW:]
_facets_of = itemgetter(*(table.COLUMNS.index(name) for name in FACETS))
_COLUMNS = ", ".join(f'request."{name}"' for name in (*FACETS, "attributes", "text"))
_WAITING = f"""SELECT request.id, {_COLUMNS} FROM (SELECT id FROM unindexed ORDER BY id LIMIT ?) AS waiting
    CROSS JOIN request ON request.id = waiting.id"""


def create(connection: Connection) -> None:
    """Make the index's tables when they are absent."""
    for statement in _SQL:
        connection.exec_driver_sql(statement)


def note_new(connection: Connection, rows: Sequence[Values]) -> None:
    """Have rows indexed later."""
    cursor = connection.connection.cursor()
    try:
        for start in range(0, len(rows), _NOTED):
            ids = [row[0] for row in rows[start : start + _NOTED]]
            cursor.execute(_NOTE, ids + ids[:1] * (_NOTED - len(ids)))  # what comes twice is ignored
    finally:
        cursor.close()


def note_gone(connection: Connection, rows: Sequence[Values]) -> None:
    """Have rows, as they were, taken out of the index later; those that are not in it yet need nothing."""
    gone = []
    for row in rows:
        waiting = connection.exec_driver_sql("SELECT 1 FROM unindexed WHERE id = ?", (row[0],)).first()
        if waiting is None:
            gone.append((row[0], _document(_facets_of(row), row[table.ATTRIBUTES], row[table.TEXT])))
    if gone:
        connection.exec_driver_sql("INSERT INTO unindexed (id, old) VALUES (?, ?)", gone)


def catch_up(connection: Connection, most: int) -> int:
    """Index the oldest rows that wait and return how many: fewer than `most` when none is left."""
    cursor = connection.connection.cursor()
    try:
        waiting = cursor.execute("SELECT id, old FROM unindexed ORDER BY id LIMIT ?", (most,)).fetchall()
        gone = [(number, old) for number, old in waiting if old is not None]
        cursor.executemany("INSERT INTO words (words, rowid, document) VALUES ('delete', ?, ?)", gone)
        found = cursor.execute(_WAITING, (most,)).fetchall()
        new = [(number, _document(values, attributes, text)) for number, *values, attributes, text in found]
        cursor.executemany("INSERT INTO words (rowid, document) VALUES (?, ?)", new)
        cursor.executemany("DELETE FROM unindexed WHERE id = ?", [(number,) for number, _ in waiting])
        return len(waiting)
    finally:
        cursor.close()


def _document(values: Sequence[str], attributes: str, text: str) -> str:
    """Return what is indexed of a row. A word that comes twice costs SQLite less than looking for it costs here."""
    rare = [words.facet(name, value) for name, value in zip(_RARE, values[_FEW:], strict=True) if value]
    pairs = [_facet_of(pair) for pair in attributes.split(table.MARK) if pair and pair[0] != "="]
    return f"{_shared(*values[:_FEW])} {' '.join([*rare, *pairs])}{text}"


@lru_cache(maxsize=1_000)
def _shared(*values: str) -> str:
    """Return the facets of the columns that have few values."""
    return " ".join([words.facet(name, value) for name, value in zip(FACETS, values, strict=False) if value])


@lru_cache(maxsize=1_000)
def _facet_of(pair: str) -> str:
    name, _, value = pair.partition("=")
    return words.facet(name, value)
