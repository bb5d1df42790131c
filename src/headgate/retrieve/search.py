"""A compiled retrieval: a question in, the passages that bear on it out. Called by `serve`.

Deterministic: equal documents give equal passages in equal order on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from headgate.kernel import Corrupt, Passage
from headgate.models import Embedder

from .chunk import Chunk, Chunker
from .settings import Document, Fusion, fusion_of, loaded
from .store import Store

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_MAX_QUESTION = 4_000


class Retriever:
    """Immutable and safe to share between threads. `pages` are the paths that it can return.

    embedding: the pinned document of its embedder; retrievals of equal ones have comparable vectors.
    """

    embedding: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, chunks: Sequence[Chunk], embedder: Embedder, store: Store, fusion: Fusion, top_k: int) -> None:
        self._chunks = tuple(chunks)
        self._embedder = embedder
        self._store = store
        self._fusion = fusion
        self.top_k = top_k
        self.pages = tuple(dict.fromkeys(chunk.source for chunk in self._chunks))

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[numpy.float32]:
        """Return one row per text, shape [n, dimensions], made as those of the pages and of questions are."""
        return self._embedder.embed(texts)

    def __len__(self) -> int:
        return len(self._chunks)

    def search(self, question: str, top_k: int | None = None) -> tuple[Passage, ...]:
        """Return up to `top_k` passages, best first; none when no page shares anything with the question.

        Of a long question the first 4 000 characters count. `score` orders passages of one search and means nothing
        across searches.
        """
        asked = question[:_MAX_QUESTION]
        fusion = self._fusion
        ranks: dict[int, float] = {}
        found = [(fusion.words, self._store.lexical(asked, fusion.pool))] if fusion.words else []
        if fusion.vectors:
            found.append((fusion.vectors, self._store.nearest(self._embedder.embed([asked])[0], fusion.pool)))
        for weight, numbers in found:
            for rank, number in enumerate(numbers, 1):
                ranks[number] = ranks.get(number, 0.0) + weight / (fusion.k + rank)
        order = sorted(ranks, key=lambda number: (-round(ranks[number], 9), number))
        return tuple(self._passage(number, ranks[number]) for number in order[: top_k or self.top_k])

    def _passage(self, number: int, score: float) -> Passage:
        chunk = self._chunks[number]
        return Passage(chunk.source, chunk.text, chunk.heading, round(score, 6), chunk.digest)


def compile_retrieval(document: Mapping[str, Any], read_blob: Callable[[str], bytes]) -> Retriever:
    """Compile a retrieval artifact: read its pages, cut, embed and index them.

    read_blob: digest -> verified bytes. Raises Corrupt when the document or a page cannot be read.
    """
    try:
        stored = Document.model_validate(dict(document))
    except ValueError as problem:
        raise Corrupt(f"the retrieval's document cannot be read: {problem}") from None
    chunker: Chunker
    plugin, options = loaded("chunker", stored.chunker)
    chunker = plugin.build(options)
    plugin, options = loaded("embedder", stored.embedder)
    embedder: Embedder = plugin.build(options)
    chunks: list[Chunk] = []
    for page in stored.corpus:
        try:
            text = read_blob(page.digest).decode("utf-8")
        except UnicodeDecodeError:
            raise Corrupt(f"the page {page.path} is not UTF-8 text") from None
        chunks += [replace(chunk, digest=page.digest) for chunk in chunker.cut(page.path, text)]
    vectors = embedder.embed([f"{chunk.heading}\n{chunk.text}" for chunk in chunks])
    plugin, _ = loaded("store", stored.store)
    compiled = Retriever(chunks, embedder, plugin.compile(chunks, vectors), fusion_of(stored.fusion), stored.top_k)
    compiled.embedding = MappingProxyType(dict(stored.embedder))
    return compiled
