"""Floor 4: documents become passages: Markdown cut into chunks, embedded, searched by words and vectors, merged."""

from .chunk import Chunk, Chunker
from .search import Retriever, compile_retrieval
from .settings import Fusion
from .store import Store, StorePlugin

__all__ = ["Chunk", "Chunker", "Fusion", "Retriever", "Store", "StorePlugin", "compile_retrieval"]
