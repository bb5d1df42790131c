"""What texts are about, without labels: topics learned from a reference, and how far a text lies from all of them.

Called by drift, so that questions about something nobody trained for are noticed even where a classifier is sure of
itself. Honest about its quality: it sees words, not meaning (see the `hashed` embedder). It keeps no text, only the
words that name a topic and hashes of the words it knows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec

from headgate.kernel import Corrupt, plugins
from headgate.models import Embedder, content_words, words

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

FEWEST = 40
"""Texts below this teach no topics."""
_MOST_TEXTS = 6000
_DIMENSIONS = 1024
_TURNS = 12
_NAMED = 3
_MOST_KNOWN = 100_000
_TEXT = 8000
_BEHAVIOUR = 1


@dataclass(frozen=True, slots=True)
class Looked:
    """What a batch of texts looks like, one item a text. `said` are the content words, each once a text.

    unknown: share of content words that the reference never used. unfamiliar: distance to the nearest topic, 0 … 1.
    """

    length: list[float | None]
    words: list[float | None]
    unknown: list[float | None]
    topic: list[str | None]
    unfamiliar: list[float | None]
    said: list[list[str]]


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics learned from texts: a name and a direction each; `weights` say how much a slot of the vector tells."""

    names: tuple[str, ...]
    directions: NDArray[numpy.float32]
    weights: NDArray[numpy.float32]
    known: frozenset[int]

    def look(self, texts: Sequence[str | None]) -> Looked:
        """Look at texts; an absent or empty one has no value anywhere."""
        asked = [str(text)[:_TEXT] if text else "" for text in texts]
        said = [_content(text) for text in asked]
        near, far = self._nearest(asked)
        there = [bool(text.strip()) for text in asked]
        unknown = [self._unknown(found) if found else None for found in said]
        return Looked(
            length=[float(len(text)) if text else None for text in asked],
            words=[float(len(words(text))) if text else None for text in asked],
            unknown=unknown,
            topic=[self.names[place] if here else None for place, here in zip(near, there, strict=True)],
            unfamiliar=[distance if here else None for distance, here in zip(far, there, strict=True)],
            said=[list(dict.fromkeys(found)) for found in said],
        )

    def _unknown(self, said: Sequence[str]) -> float:
        return sum(crc32(_stem(word).encode()) not in self.known for word in said) / len(said)

    def _nearest(self, texts: Sequence[str]) -> tuple[list[int], list[float]]:
        import numpy

        if not texts:
            return [], []
        vectors = _weighted(_embedder().embed(texts), self.weights)
        # Added up in float64 and rounded: the order of the texts in a batch decides nothing.
        likeness = numpy.round(vectors.astype(numpy.float64) @ self.directions.T.astype(numpy.float64), 9)
        place = likeness.argmax(axis=1)
        return place.tolist(), numpy.clip(1 - likeness.max(axis=1), 0, 1).tolist()

    def dumps(self) -> bytes:
        import numpy

        known = numpy.asarray(sorted(self.known), dtype="<u4").tobytes()
        arrays = (self.directions.astype("<f4").tobytes(), self.weights.astype("<f4").tobytes(), known)
        return msgspec.msgpack.encode((_BEHAVIOUR, self.names, *arrays))


def load_topics(content: bytes) -> Topics:
    """Return the topics that `dumps` wrote. Raises Corrupt."""
    import numpy

    try:
        _, names, directions, weights, known = msgspec.msgpack.decode(content)
        slots = numpy.frombuffer(weights, dtype="<f4")
        shaped = numpy.frombuffer(directions, dtype="<f4").reshape(len(names), len(slots))
        hashes = frozenset(numpy.frombuffer(known, dtype="<u4").tolist())
    except (ValueError, TypeError, msgspec.MsgspecError) as problem:
        raise Corrupt(f"topics cannot be read: {problem}") from None
    return Topics(tuple(names), shaped, slots, hashes)


def learn_topics(texts: Sequence[str], seed: int = 0) -> tuple[Topics, list[str]] | None:
    """Learn topics from one half of the texts and return them with the other half, which they never saw.

    What is compared with a stream later must be as new to the topics as the stream is; what they were learned from
    would look more familiar than anything else. At most 6 000 texts of each half are used. None for fewer than 40.
    """
    import numpy

    usable = [text[:_TEXT] for text in texts if _content(text[:_TEXT])]
    if len(usable) < FEWEST:
        return None
    order = numpy.random.default_rng(seed).permutation(len(usable))
    half = len(usable) // 2
    taught = [usable[place] for place in order[:half][:_MOST_TEXTS]]
    kept = [usable[place] for place in order[half:][:_MOST_TEXTS]]
    raw = _embedder().embed(taught)
    seen = (raw != 0).sum(axis=0)
    weights = numpy.log((len(taught) + 1) / (seen + 0.5)).astype(numpy.float32).clip(0)
    vectors = _weighted(raw, weights)
    directions, place = _clusters(vectors, _how_many(len(taught)), seed)
    said = [_content(text) for text in taught]
    stems = [_stem(word) for found in said for word in found]
    known = frozenset(crc32(stem.encode()) for stem, _ in Counter(stems).most_common(_MOST_KNOWN))
    return Topics(_names(said, place.tolist(), len(directions)), directions, weights, known), kept


def _how_many(texts: int) -> int:
    """Return how many topics: enough to tell products apart, few enough that a window fills them."""
    return int(min(32, max(4, math.sqrt(texts) / 2)))


def _clusters(vectors: Any, count: int, seed: int) -> tuple[Any, Any]:
    """Return directions and each vector's nearest one: spherical k-means++, deterministic."""
    import numpy

    random = numpy.random.default_rng(seed)
    chosen = [int(random.integers(len(vectors)))]
    far = 1 - vectors @ vectors[chosen[0]]
    for _ in range(count - 1):
        odds = numpy.clip(far.astype(numpy.float64), 0, None) ** 2
        if not odds.sum():
            break
        chosen.append(int(random.choice(len(vectors), p=odds / odds.sum())))
        far = numpy.minimum(far, 1 - vectors @ vectors[chosen[-1]])
    directions = vectors[chosen]
    place = numpy.zeros(len(vectors), dtype=int)
    for _ in range(_TURNS):
        place = (vectors @ directions.T).argmax(axis=1)
        for topic in range(len(directions)):
            members = vectors[place == topic]
            if len(members):
                directions[topic] = members.sum(axis=0)
        directions = _unit(directions)
    return directions.astype(numpy.float32), place


def _names(said: Sequence[Sequence[str]], place: Sequence[int], count: int) -> tuple[str, ...]:
    """Name each topic by the words that are commoner in it than elsewhere; two never have one name."""
    everywhere = Counter(word for found in said for word in set(found))
    names: list[str] = []
    for topic in range(count):
        texts = [set(found) for found, where in zip(said, place, strict=True) if where == topic]
        here = Counter(word for found in texts for word in found)
        score = {
            word: (times / max(1, len(texts)))
            * math.log((times + 0.5) * len(said) / (everywhere[word] * (len(texts) + 1)))
            for word, times in here.items()
        }
        best = sorted(score, key=lambda word: (-score[word], word))[:_NAMED]
        name = " ".join(best) or f"topic {topic + 1}"
        names.append(name if name not in names else f"{name} ({topic + 1})")
    return tuple(names)


def _weighted(raw: Any, weights: Any) -> Any:
    return _unit(raw * weights)


def _unit(vectors: Any) -> Any:
    import numpy

    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / numpy.where(lengths == 0, 1, lengths)


def _content(text: str) -> list[str]:
    """Return the words that carry meaning, as they stand."""
    return [word for word in words(text) if _stem(word)]


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    """Return a word's stem, '' for one that says little."""
    return next(iter(content_words(word)), "")


@lru_cache(maxsize=1)
def _embedder() -> Embedder:
    plugin = plugins.load("embedders", "hashed")
    made: Embedder = plugin.build(plugin.options(dimensions=_DIMENSIONS, n_grams=0.0))
    return made
