"""Searches in memory: SQLite's FTS5 for words, exact numpy for vectors. Called by a compiled retrieval.

Right up to some hundred thousand chunks in one process. The index is a cache: it holds nothing that cannot be rebuilt.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from headgate.models import content_words
from headgate.retrieve.chunk import Chunk
from headgate.retrieve.spelling import Speller

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_MAX_TERMS = 64
_TITLE, _HEADING, _TEXT = 3.0, 3.0, 1.0


class Options(BaseModel):
    """The embedded store has nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EmbeddedStore:
    def __init__(self, chunks: Sequence[Chunk], vectors: NDArray[numpy.float32]) -> None:
        self._vectors = vectors
        self._lock = threading.Lock()
        self._speller = Speller(f"{chunk.title} {' '.join(chunk.trail)} {chunk.text}" for chunk in chunks)
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._index.close)
        self._index.execute("CREATE VIRTUAL TABLE chunk USING fts5(title, heading, text, tokenize='unicode61')")
        self._index.executemany(
            "INSERT INTO chunk(rowid, title, heading, text) VALUES (?, ?, ?, ?)",
            [
                (
                    number,
                    _terms(f"{chunk.title} {chunk.source.rpartition('/')[2]}"),
                    _terms(" ".join(chunk.trail)),
                    _terms(chunk.text),
                )
                for number, chunk in enumerate(chunks)
            ],
        )
        self._index.execute("INSERT INTO chunk(chunk) VALUES ('optimize')")
        self._index.commit()

    def lexical(self, question: str, limit: int) -> list[int]:
        terms = self._speller.stems(question)[:_MAX_TERMS]
        if not terms:
            return []
        # Every term is quoted, so that nothing in a question is an operator of the query language.
        query = " OR ".join(f'"{term}"' for term in terms)
        with self._lock:
            rows = self._index.execute(
                "SELECT rowid, round(bm25(chunk, ?, ?, ?), 6) AS score FROM chunk WHERE chunk MATCH ? "
                "ORDER BY score, rowid LIMIT ?",
                (_TITLE, _HEADING, _TEXT, query, limit),
            ).fetchall()
        return [int(row[0]) for row in rows]

    def nearest(self, vector: NDArray[numpy.float32], limit: int) -> list[int]:
        import numpy

        if not len(self._vectors):
            return []
        scores = numpy.round(self._vectors @ vector, 5)
        order = numpy.argsort(-scores, kind="stable")[:limit]
        return [int(number) for number in order if scores[number] > 0]


def _terms(text: str) -> str:
    """Write a text as the stems that questions are turned into, so that both sides meet whatever SQLite's version."""
    return " ".join(content_words(text))


class Plugin:
    behaviour = 1
    options = Options

    def compile(self, chunks: Sequence[Chunk], vectors: NDArray[numpy.float32]) -> EmbeddedStore:
        return EmbeddedStore(chunks, vectors)


plugin = Plugin()
