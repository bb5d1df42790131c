"""Mergeable sketches of a column: numbers by their quantiles, categories by their counts. Bounded, whatever the rows.

Called by drift: one sketch a feature and time bucket, added to off the request path, merged when a window is looked
at. Sketches hold no row and no text but the names of categories. Nothing here judges; `drift` does.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec

from headgate.kernel import Corrupt

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

K = 512
"""KLL's accuracy: a rank is wrong by at most 0.53 % (99 % certain), in at most 12 KB. Up to 512 values it is exact."""
MOST_CATEGORIES = 255
"""Categories that are counted one by one unless said otherwise; the others are counted together."""
_LG_STRANGERS = 10
_M = 8
_MANY = 4096
_BATCH = 16_384
_CHUNK = 256
_NAME = 80


class NumberSketch:
    """Numbers by their quantiles (KLL), and how many rows had none.

    Source: Karnin, Lang and Liberty, "Optimal quantile approximation in streams", FOCS 2016.
    """

    __slots__ = ("_kll", "missing", "rows")

    def __init__(self) -> None:
        from datasketches import kll_doubles_sketch

        self._kll = kll_doubles_sketch(K)
        self.rows = self.missing = 0

    def add(self, values: Sequence[Any] | NDArray[numpy.float64]) -> None:
        """Add a row's value each. None, NaN, infinity and what is no number count as missing."""
        import numpy

        try:
            if isinstance(values, numpy.ndarray):
                array = values.astype(numpy.float64, copy=False)
            else:
                array = numpy.fromiter(values, numpy.float64, len(values))
        except (TypeError, ValueError, OverflowError):
            array = numpy.asarray([_number(value) for value in values], dtype=numpy.float64)
        finite = numpy.isfinite(array)
        present = int(finite.sum())
        self.rows += len(array)
        self.missing += len(array) - present
        if present:
            self._take(array if present == len(array) else array[finite])

    def _take(self, values: NDArray[numpy.float64]) -> None:
        """Add numbers: few one by one, many as the sketch that a sorted batch has, three times as fast."""
        import numpy

        for start in range(0, len(values), _BATCH):
            batch = values[start : start + _BATCH]
            if len(batch) < _MANY:
                self._kll.update(batch)
                continue
            level = max(0, math.ceil(math.log2(len(batch) / K)))
            ordered = numpy.sort(batch)
            held = len(batch) >> level << level
            self._kll.merge(self._kll.deserialize(_sorted_sketch(ordered[:held], level)))
            if held < len(batch):
                self._kll.update(ordered[held:])

    def merge(self, other: NumberSketch) -> None:
        """Add everything that another sketch has seen."""
        self.rows += other.rows
        self.missing += other.missing
        self._kll.merge(other._kll)

    def empty(self) -> NumberSketch:
        return NumberSketch()

    @property
    def present(self) -> int:
        return self.rows - self.missing

    @property
    def error(self) -> float:
        """How far a rank may be off (a share, 99 % certain); 0 while every value is still held."""
        return float(self._kll.normalized_rank_error(False)) if self._kll.is_estimation_mode() else 0.0

    def quantiles(self, ranks: Sequence[float]) -> list[float]:
        """Return the values at these ranks (0 … 1); none when no number was seen."""
        return [float(value) for value in self._kll.get_quantiles(list(ranks), True)] if self.present else []

    def cumulative(self, points: Sequence[float]) -> NDArray[numpy.float64]:
        """Return the share of values at or below each of these ascending, distinct points."""
        import numpy

        if not self.present or not len(points):
            return numpy.zeros(len(points))
        return numpy.asarray(self._kll.get_cdf(list(points), True)[:-1], dtype=numpy.float64)

    def dumps(self, names: bool = True) -> bytes:
        return msgspec.msgpack.encode(("numbers", self.rows, self.missing, self._kll.serialize()))


class CategorySketch:
    """Categories by their counts: those of `known` exactly, all others together, the commonest of them by name.

    known: the reference's categories. Because they are fixed, counts are exact and merging is too; only the names of
    strangers are approximate. Source of the latter: Misra and Gries 1982, as merged by Agarwal and others, 2012.
    """

    __slots__ = ("_strangers", "counts", "known", "missing", "rows", "strange")

    def __init__(self, known: Sequence[str] = ()) -> None:
        from datasketches import frequent_strings_sketch

        self.known = tuple(known)
        self.counts = dict.fromkeys(self.known, 0)
        self.rows = self.missing = self.strange = 0
        self._strangers = frequent_strings_sketch(_LG_STRANGERS)

    def add(self, values: Sequence[Any], rows: int | None = None) -> None:
        """Add a row's value each; None, NaN and '' count as missing.

        rows: how many rows the values come from when it is not one each (the words of texts, each once a text).
        """
        for value, count in Counter(values).items():
            name = category(value)
            if name is None:
                self.missing += count
            elif name in self.counts:
                self.counts[name] += count
            else:
                self.strange += count
                self._strangers.update(name, count)
        self.rows += len(values) if rows is None else rows

    @classmethod
    def reference(cls, values: Sequence[Any], most: int = MOST_CATEGORIES, rows: int | None = None) -> CategorySketch:
        """Return the sketch of a whole column; its `most` commonest categories are the known ones from now on."""
        counts: Counter[str] = Counter()
        missing = 0
        for value, count in Counter(values).items():
            name = category(value)
            if name is None:
                missing += count
            else:
                counts[name] += count
        ordered = sorted(counts, key=lambda name: (-counts[name], name))
        made = cls(ordered[:most])
        made.rows, made.missing = len(values) if rows is None else rows, missing
        made.counts = {name: counts[name] for name in made.known}
        for name in ordered[most:]:
            made.strange += counts[name]
            made._strangers.update(name, counts[name])
        return made

    def merge(self, other: CategorySketch) -> None:
        """Add everything that another sketch of the same known categories has seen."""
        if other.known != self.known:
            raise Corrupt("sketches of different references cannot be merged")
        self.rows += other.rows
        self.missing += other.missing
        self.strange += other.strange
        for name, count in other.counts.items():
            self.counts[name] += count
        self._strangers.merge(other._strangers)

    @property
    def present(self) -> int:
        return self.rows - self.missing

    def strangers(self, most: int = 10) -> list[tuple[str, int]]:
        """Return the commonest categories that are not known, and how often each was seen at least."""
        from datasketches import frequent_items_error_type

        found = self._strangers.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
        named = [(str(item[0]), int(item[2])) for item in found]
        return sorted(named, key=lambda item: (-item[1], item[0]))[:most]

    def empty(self) -> CategorySketch:
        """Return a sketch of the same known categories that has seen nothing."""
        return CategorySketch(self.known)

    def dumps(self, names: bool = True) -> bytes:
        """names: whether to write the known categories too; without, `load_sketch` has to be told them."""
        counted = [[place, count] for place, count in enumerate(self.counts.values()) if count]
        known = list(self.known) if names else _checksum(self.known)
        content = (self.rows, self.missing, self.strange, known, counted, self._strangers.serialize())
        return msgspec.msgpack.encode(("categories", *content))


Sketch = NumberSketch | CategorySketch


def add_rows(sketches: Mapping[str, Sketch], rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to a sketch a column, however many come: 16 384 are held at a time. What a row lacks is missing."""
    left = iter(rows)
    while batch := columns_of(sketches, islice(left, _BATCH)):
        for name, values in batch.items():
            sketches[name].add(values)


def columns_of(names: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns; empty when there are none. Some rows at a time, which stay in the processor's cache."""
    left, columns = iter(rows), {name: list[Any]() for name in names}
    empty = True
    while chunk := list(islice(left, _CHUNK)):
        empty = False
        for column, values in zip(columns.values(), _turned(list(columns), chunk), strict=True):
            column.extend(values)
    return {} if empty else columns


def _turned(names: list[str], rows: list[Mapping[str, Any]]) -> Iterable[Sequence[Any]]:
    if len(names) > 1:
        with suppress(KeyError):
            return list(zip(*map(itemgetter(*names), rows), strict=True))
    return [[row.get(name) for row in rows] for name in names]


def merge_sketches(into: Sketch, other: Sketch) -> None:
    """Add everything that another sketch has seen. Raises Corrupt when one is of numbers and the other is not."""
    if isinstance(into, NumberSketch):
        if not isinstance(other, NumberSketch):
            raise Corrupt("a sketch of numbers and one of categories cannot be merged")
        into.merge(other)
        return
    if isinstance(other, NumberSketch):
        raise Corrupt("a sketch of numbers and one of categories cannot be merged")
    into.merge(other)


def load_sketch(content: bytes, known: Sequence[str] | None = None) -> Sketch:
    """Return the sketch that `dumps` wrote; `known` are its known categories when they were left out.

    Raises Corrupt, also when it was made for other categories than these.
    """
    try:
        kind, rows, missing, *rest = msgspec.msgpack.decode(content)
        found = _numbers(*rest) if kind == "numbers" else _categories(known, *rest)
    except (ValueError, TypeError, RuntimeError, IndexError, msgspec.MsgspecError) as problem:
        raise Corrupt(f"a sketch cannot be read: {problem}") from None
    found.rows, found.missing = rows, missing
    return found


def _numbers(kll: bytes) -> NumberSketch:
    made = NumberSketch()
    made._kll = made._kll.deserialize(kll)
    return made


def _categories(
    told: Sequence[str] | None, strange: int, known: list[str] | int, counted: list[list[int]], strangers: bytes
) -> CategorySketch:
    if isinstance(known, int):
        if told is None or _checksum(told) != known:
            raise Corrupt("this sketch was made for another reference")
        known = list(told)
    made = CategorySketch(known)
    made.strange = strange
    made.counts.update({known[place]: count for place, count in counted})
    made._strangers = made._strangers.deserialize(strangers)
    return made


def _checksum(known: Sequence[str]) -> int:
    return crc32("\x00".join(known).encode("utf-8", "replace"))


def category(value: Any) -> str | None:
    """Return a value's name as a category, None when it is missing: 1, 1.0 and '1' are one category."""
    if value is None or value == "":
        return None
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    return str(value)[:_NAME].encode("utf-8", "replace").decode()


def _sorted_sketch(ordered: NDArray[numpy.float64], level: int) -> bytes:
    """Return the KLL sketch of sorted values, as its library stores one: the middle of each 2**level in a row.

    That is what compacting them `level` times would leave, with the smallest error possible instead of a random one.
    """
    kept = ordered[(1 << level) // 2 :: 1 << level]
    capacity = sum(max(_M, ((2 * K << depth) // 3**depth + 1) >> 1) for depth in range(level + 1))
    begins = [max(0, capacity - len(kept))] * (level + 1)
    head = struct.pack("<BBBBHBBQHBB", 5, 1, 15, 0, K, _M, 0, len(ordered), K, level + 1, 0)
    ends = struct.pack("<dd", ordered[0], ordered[-1])
    return head + struct.pack(f"<{level + 1}I", *begins) + ends + kept.astype("<f8").tobytes()


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
