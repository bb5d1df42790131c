"""What every embedder promises: shapes, unit rows, the same numbers whatever stands beside a text."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from headgate.kernel import plugins

TEXTS = [
    "How do I return a device?",
    "Returning devices",
    "Die Rückgabe",
    "",
    "?!",
    "🙂",
    "退货",
    "a " * 30_000,
]


@pytest.fixture(params=sorted(plugins.names("embedders")))
def embedder(request: pytest.FixtureRequest) -> Any:
    plugin = plugins.load("embedders", request.param)
    assert isinstance(plugin.behaviour, int)
    return plugin.build(plugin.options())


def test_rows_are_unit_length_or_zero(embedder: Any) -> None:
    rows = embedder.embed(TEXTS)
    assert rows.shape == (len(TEXTS), embedder.dimensions)
    assert rows.dtype == numpy.float32
    lengths = numpy.linalg.norm(rows, axis=1)
    assert all(abs(length - 1) < 1e-5 or length == 0 for length in lengths)
    assert lengths[0] > 0
    assert lengths[3] == 0


def test_a_text_has_one_vector_alone_or_in_company(embedder: Any) -> None:
    together = embedder.embed(TEXTS)
    for row, text in zip(together, TEXTS, strict=True):
        assert numpy.array_equal(row, embedder.embed([text])[0])


def test_related_texts_lie_nearer_than_unrelated_ones(embedder: Any) -> None:
    question, near, far = embedder.embed(
        ["returning a phone", "You can return phones within 30 days", "The bakery opens at noon"]
    )
    assert question @ near > question @ far + 0.1


def test_nothing_to_embed_is_no_rows(embedder: Any) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimensions)
