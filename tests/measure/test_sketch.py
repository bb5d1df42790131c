"""Sketches: merging is sketching all, what is read back is what was written, and size does not grow with rows."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel import Corrupt
from headgate.measure import (
    CategorySketch,
    NumberSketch,
    Sketch,
    add_rows,
    category,
    columns_of,
    load_sketch,
    merge_sketches,
)

Floats = st.floats(allow_nan=True, allow_infinity=True, width=64)
Names = st.sampled_from(["a", "b", "c", "new", "", None])


def numbers(values: Any) -> NumberSketch:
    made = NumberSketch()
    made.add(values)
    return made


def categories(known: list[str], values: list[Any]) -> CategorySketch:
    made = CategorySketch(known)
    made.add(values)
    return made


def ranks_off(sketch: NumberSketch, values: Any) -> float:
    """Return how far the sketch's ranks are from the true ones, at most."""
    ordered = numpy.sort(numpy.asarray(values, dtype=float))
    points = sorted(set(numpy.quantile(ordered, numpy.linspace(0, 1, 301)).tolist()))
    true = numpy.searchsorted(ordered, points, side="right") / len(ordered)
    return float(numpy.abs(sketch.cumulative(points) - true).max())


@given(st.lists(Floats, max_size=250), st.lists(Floats, max_size=250))
def test_merging_two_sketches_of_numbers_is_sketching_both(first: list[float], second: list[float]) -> None:
    merged, whole = numbers(first), numbers([*first, *second])
    merged.merge(numbers(second))
    assert (merged.rows, merged.missing) == (whole.rows, whole.missing)
    points = sorted({value for value in [*first, *second] if math.isfinite(value)})
    assert merged.cumulative(points).tolist() == whole.cumulative(points).tolist(), "exact while all values are held"
    assert merged.error == 0


@given(st.lists(Names, max_size=60), st.lists(Names, max_size=60))
def test_merging_two_sketches_of_categories_is_sketching_both(first: list[Any], second: list[Any]) -> None:
    merged, whole = categories(["a", "b", "c"], first), categories(["a", "b", "c"], [*second, *first])
    merged.merge(categories(["a", "b", "c"], second))
    assert merged.counts == whole.counts
    assert (merged.rows, merged.missing, merged.strange) == (whole.rows, whole.missing, whole.strange)
    assert merged.strangers() == whole.strangers()


@pytest.mark.parametrize("parts", [2, 7, 40])
def test_many_merged_parts_keep_their_promise_of_accuracy(parts: int) -> None:
    values = numpy.random.default_rng(parts).lognormal(size=120_000)
    merged = NumberSketch()
    for part in numpy.array_split(values, parts):
        merged.merge(numbers(part))
    assert merged.present == len(values)
    assert 0 < merged.error < 0.006
    assert ranks_off(merged, values) < 0.01


@pytest.mark.parametrize("count", [511, 513, 4095, 4096, 4097, 65_536, 65_537, 70_001, 200_000])
@pytest.mark.parametrize("shape", ["normal", "repeated", "sorted"])
def test_a_batch_of_any_size_is_counted_whole_and_ranked_well(count: int, shape: str) -> None:
    random = numpy.random.default_rng(count)
    values = random.integers(0, 5, count).astype(float) if shape == "repeated" else random.normal(size=count)
    if shape == "sorted":
        values.sort()
    sketch = numbers(values)
    assert sketch.present == count
    assert ranks_off(sketch, values) <= max(sketch.error, 1e-9) + 0.002
    assert numbers(values.tolist()).present == count


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ([1, 2.5, None, "3", "", "x", True], 3),
        ([math.nan, math.inf, -math.inf, 0], 3),
        ([10**400, 1], 1),
        ([[1], 2], 1),
        ([], 0),
    ],
)
def test_what_is_no_number_is_missing(values: list[Any], missing: int) -> None:
    sketch = numbers(values)
    assert (sketch.rows, sketch.missing) == (len(values), missing)


def test_an_empty_sketch_answers_everything() -> None:
    assert NumberSketch().quantiles([0.5]) == []
    assert NumberSketch().cumulative([1.0]).tolist() == [0.0]
    assert CategorySketch().strangers() == []
    assert NumberSketch().present == CategorySketch().present == 0


@given(st.lists(Floats, max_size=300))
def test_numbers_are_read_back_as_they_were_written(values: list[float]) -> None:
    before = numbers(values)
    after = load_sketch(before.dumps())
    assert isinstance(after, NumberSketch)
    assert (after.rows, after.missing, after.quantiles([0, 0.5, 1])) == (
        before.rows, before.missing, before.quantiles([0, 0.5, 1]),
    )  # fmt: skip


@pytest.mark.parametrize("names", [True, False])
def test_categories_are_read_back_as_they_were_written(names: bool) -> None:
    before = categories(["a", "b"], ["a", "b", "b", "new", None])
    after = load_sketch(before.dumps(names), None if names else ["a", "b"])
    assert isinstance(after, CategorySketch)
    assert (after.counts, after.strangers(), after.rows, after.missing) == ({"a": 1, "b": 2}, [("new", 1)], 5, 1)


def test_a_sketch_of_another_reference_is_refused() -> None:
    content = categories(["a", "b"], ["a"]).dumps(names=False)
    with pytest.raises(Corrupt):
        load_sketch(content, ["a", "c"])
    with pytest.raises(Corrupt):
        load_sketch(content)
    with pytest.raises(Corrupt):
        categories(["a"], []).merge(categories(["b"], []))
    with pytest.raises(Corrupt):
        merge_sketches(NumberSketch(), CategorySketch())
    with pytest.raises(Corrupt):
        merge_sketches(CategorySketch(), NumberSketch())


@pytest.mark.parametrize("content", [b"", b"x", b"\x94\xa7numbers\x01\x00\xc4\x00", NumberSketch().dumps()[:-3]])
def test_bytes_that_are_no_sketch_are_refused(content: bytes) -> None:
    with pytest.raises(Corrupt):
        load_sketch(content)


def test_sketches_stay_small_however_many_rows_they_have_seen() -> None:
    random, numeric, named = numpy.random.default_rng(0), NumberSketch(), CategorySketch(["a", "b"])
    sizes = []
    for _ in range(30):
        numeric.add(random.normal(size=20_000))
        named.add([f"stranger {number}" for number in random.integers(0, 10**6, 20_000)])
        sizes.append((len(numeric.dumps()), len(named.dumps())))
    assert max(size for size, _ in sizes) < 16_000
    assert max(size for _, size in sizes) < 40_000
    assert named.strange == named.rows == 600_000


def test_the_commonest_strangers_are_named_though_there_are_too_many_to_count() -> None:
    random = numpy.random.default_rng(1)
    crowd = [f"s{number}" for number in random.integers(0, 10**6, 30_000)]
    sketch = categories([], [*crowd, *(["often"] * 3000)])
    name, count = sketch.strangers(1)[0]
    assert name == "often"
    assert 2500 < count <= 3000 + Counter(crowd)["often"]


def test_a_reference_knows_its_commonest_categories_and_counts_the_rest_together() -> None:
    values = [*("a" * 5), *("b" * 3), "c", "d", None, ""]
    sketch = CategorySketch.reference(values, most=2)
    assert sketch.known == ("a", "b")
    assert (sketch.counts, sketch.strange, sketch.missing, sketch.rows) == ({"a": 5, "b": 3}, 2, 2, 12)
    assert sketch.empty().known == sketch.known
    assert sketch.empty().rows == 0


@pytest.mark.parametrize(
    ("value", "name"),
    [(1, "1"), (1.0, "1"), ("1", "1"), (1.5, "1.5"), (True, "True"), (None, None), ("", None), (math.nan, None)],
)
def test_a_category_has_one_name_however_it_is_written(value: Any, name: str | None) -> None:
    assert category(value) == name


def test_names_that_no_text_column_can_hold_are_cut_and_mended() -> None:
    assert category("x" * 1000) == "x" * 80
    assert category("a\ud800b") == "a?b"


@pytest.mark.parametrize("rows", [0, 1, 255, 256, 257, 16_384, 16_385, 40_000])
def test_rows_of_a_stream_are_all_added_to_their_columns(rows: int) -> None:
    sketches: dict[str, Sketch] = {"x": NumberSketch(), "y": CategorySketch(["even", "odd"])}
    add_rows(sketches, ({"x": number, "y": ("even", "odd")[number % 2]} for number in range(rows)))
    assert (sketches["x"].rows, sketches["x"].missing, sketches["y"].rows) == (rows, 0, rows)
    assert isinstance(sketches["y"], CategorySketch)
    assert sketches["y"].counts == {"even": (rows + 1) // 2, "odd": rows // 2}


def test_what_a_row_lacks_is_missing() -> None:
    rows: list[dict[str, Any]] = [{"x": 1.0, "y": "a"}, {"y": "b"}, {"x": 2.0}]
    assert columns_of(["x", "y"], rows) == {"x": [1.0, None, 2.0], "y": ["a", "b", None]}
    assert columns_of(["x"], rows) == {"x": [1.0, None, 2.0]}
    assert columns_of(["x"], []) == {}
