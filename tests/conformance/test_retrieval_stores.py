"""What every retrieval store promises: hostile questions are harmless, order is certain, threads may share it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy
import pytest

from headgate.kernel import plugins
from headgate.retrieve import Chunk

CHUNKS = [
    Chunk("corpus/returns", "Returning a device", ("Time limit",), "You can return a device within 30 days."),
    Chunk("corpus/returns", "Returning a device", ("Condition",), "Broken screens cannot be returned."),
    Chunk("corpus/billing", "Your bill", ("Due date",), "A bill is due 14 days after it is issued."),
    Chunk("corpus/roaming", "Roaming", (), "Roaming in the EU zone costs nothing."),
]
VECTORS = numpy.eye(4, 8, dtype=numpy.float32)


@pytest.fixture(params=sorted(plugins.names("stores")))
def plugin(request: pytest.FixtureRequest) -> Any:
    found = plugins.load("stores", request.param)
    assert isinstance(found.behaviour, int)
    return found


@pytest.fixture
def store(plugin: Any) -> Any:
    return plugin.compile(CHUNKS, VECTORS)


@pytest.mark.parametrize(
    ("question", "first"),
    [("When is my bill due?", 2), ("roaming eu", 3), ("return time limit", 0), ("brokn screns", 1)],
)
def test_words_find_the_chunk_that_holds_them(store: Any, question: str, first: int) -> None:
    assert store.lexical(question, 10)[0] == first


@pytest.mark.parametrize(
    "question",
    [
        "", " ", "?", '"', "'; DROP TABLE chunk; --", "NEAR(a b)", "a OR b AND NOT c", "title:x", "*", "(((",
        "x" * 100_000, "the of and", "\x00", "🙂", "{}[]^-+:", "return " * 5_000,
    ],
)  # fmt: skip
def test_no_question_is_a_query(store: Any, question: str) -> None:
    found = store.lexical(question, 10)
    assert all(0 <= number < len(CHUNKS) for number in found)


def test_vectors_rank_by_nearness_and_leave_strangers_out(store: Any) -> None:
    asked = numpy.array([0, 0.6, 0.8, 0, 0, 0, 0, 0], dtype=numpy.float32)
    assert store.nearest(asked, 10) == [2, 1]
    assert store.nearest(asked, 1) == [2]
    assert store.nearest(-asked, 10) == []


def test_equal_scores_keep_the_order_of_the_pages(plugin: Any) -> None:
    twins = [Chunk(f"corpus/{name}", "Same", (), "Exactly the same words.") for name in "abcde"]
    store = plugin.compile(twins, numpy.ones((5, 8), dtype=numpy.float32) / 8**0.5)
    assert store.lexical("same words", 10) == [0, 1, 2, 3, 4]
    assert store.nearest(numpy.ones(8, dtype=numpy.float32), 3) == [0, 1, 2]


def test_threads_share_a_store(store: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: tuple(store.lexical("return a device", 3)), range(400)))
    assert len(set(found)) == 1


def test_an_empty_store_finds_nothing(plugin: Any) -> None:
    store = plugin.compile([], numpy.zeros((0, 8), dtype=numpy.float32))
    assert store.lexical("anything", 5) == []
    assert store.nearest(numpy.ones(8, dtype=numpy.float32), 5) == []
