"""Roll-ups: what requests came to per 5 minutes, hour and 6 hours, written with the requests, in one transaction.

`group` adds to a `Tally`; `spans` reads with `summed`. Every process writes rows of its own (column `writer`), whole,
from what it remembers, so nobody reads before writing and no two processes wait for each other; reading adds them up.
A row that changes (a foreign trace that grows) is taken out of its old bucket and put into its new one, so roll-ups
always equal a count of the rows.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Row,
    Select,
    Table,
    Text,
    func,
    literal_column,
    select,
)
from sqlalchemy import Column as C

from .inserting import Insert
from .latency import Latency, bin_of, pack_bins
from .table import COLUMNS, Values, metadata

STEPS = (300, 3600, 21_600)
"""Widths of the buckets, in seconds: whoever looks back far reads wide ones."""
DIMENSIONS = ("app", "environment", "release", "route", "model", "status", "source")
_SUMS = ("requests", "blocked", "errors", "cost_nano", "input_tokens", "output_tokens")
_KEY = ("project_id", "step", "at", *DIMENSIONS, "writer")
rollup = Table(
    "rollup", metadata, C("project_id", Text, primary_key=True), C("step", Integer, primary_key=True),
    C("at", BigInteger, primary_key=True, autoincrement=False),
    *(C(name, Text, primary_key=True) for name in DIMENSIONS),
    C("writer", BigInteger, primary_key=True, autoincrement=False),
    *(C(name, BigInteger, nullable=False) for name in _SUMS), C("latency", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip
_MOST_REMEMBERED = 20_000
_MOST_SUM = 2**52
_AT = COLUMNS.index("at")
_kind = itemgetter(*(COLUMNS.index(name) for name in ("project_id", *DIMENSIONS)))
_counted = itemgetter(
    *(COLUMNS.index(name) for name in ("status", "cost_nano", "input_tokens", "output_tokens", "latency_us"))
)
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rollup:
    """What the requests of one bucket came to. `at`: its start, epoch seconds. Dimensions not asked for are empty."""

    at: int
    step: int
    requests: int
    blocked: int
    errors: int
    cost_nano: int
    input_tokens: int
    output_tokens: int
    latency: Latency
    app: str = ""
    environment: str = ""
    release: str = ""
    route: str = ""
    model: str = ""
    status: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Grain:
    """How finely roll-ups are read. step: one of STEPS, a bucket's seconds. by: the dimensions that are kept apart."""

    step: int = STEPS[0]
    by: Sequence[str] = DIMENSIONS


DETAILED = Grain()


class Sums:
    """One row in the making."""

    __slots__ = ("bins", "numbers")

    def __init__(self) -> None:
        self.numbers, self.bins = [0, 0, 0, 0, 0, 0], dict[int, int]()

    def add(self, row: Values, sign: int) -> None:
        status, cost, tokens_in, tokens_out, latency = _counted(row)
        numbers = self.numbers
        numbers[0] += sign
        if status == "blocked":
            numbers[1] += sign
        elif status == "error":
            numbers[2] += sign
        numbers[3] += sign * cost
        numbers[4] += sign * tokens_in
        numbers[5] += sign * tokens_out
        number = bin_of(latency)
        self.bins[number] = self.bins.get(number, 0) + sign

    def merge(self, other: Sums) -> None:
        self.numbers = [mine + its for mine, its in zip(self.numbers, other.numbers, strict=True)]
        for number, count in other.bins.items():
            self.bins[number] = self.bins.get(number, 0) + count


class Tally:
    """What this process has added to each bucket since it began to remember; used by one thread."""

    def __init__(self, dialect: str) -> None:
        self._insert = Insert(rollup, _KEY, dialect, replace=True)
        self._sums: dict[Key, Sums] = {}
        self._fresh: dict[Key, Sums] = {}
        self._writer = 0
        self.forget()

    def forget(self) -> None:
        """Begin anew under another number: what is on disk of the old one stands as it is."""
        self._sums.clear()
        self._fresh.clear()
        self._writer = secrets.randbits(62)

    def add(self, rows: Iterable[Values], sign: int = 1) -> None:
        """Count rows of `request`, or with sign -1 take them back. Wider buckets follow from the finest in `write`."""
        fresh, finest = self._fresh, STEPS[0]
        for row in rows:
            at = max(-(2**53), min(2**53, int(row[_AT])))
            key = (at - at % finest, *_kind(row))
            sums = fresh.get(key)
            if sums is None:
                sums = fresh[key] = Sums()
            sums.add(row, sign)

    def write(self, connection: Connection) -> None:
        """Write the buckets touched since the last time. Call `forget` when the transaction does not commit."""
        touched: dict[Key, Sums] = {}
        for (at, project, *dimensions), fresh in self._fresh.items():
            for step in STEPS:
                key = (project, step, at - at % step, *dimensions)
                sums = self._sums.get(key)
                if sums is None:
                    sums = self._sums[key] = Sums()
                sums.merge(fresh)
                touched[key] = sums
        self._fresh.clear()
        rows = [
            (*key, self._writer, *map(_bounded, sums.numbers), pack_bins(sums.bins))
            for key, sums in sorted(touched.items(), key=itemgetter(0))
        ]
        self._insert(connection, rows)

    def trim(self) -> None:
        """Keep memory bounded. Only after a commit."""
        if len(self._sums) > _MOST_REMEMBERED:
            self.forget()


def summed(
    project: str, span: tuple[float, float], grain: Grain, where: Mapping[str, str], dialect: str
) -> Select[Any]:
    """Return a query of roll-ups whose bucket begins in `span`, added up over what the grain does not keep apart."""
    table = rollup.c
    packed: ColumnElement[str] = (
        literal_column("group_concat(hex(rollup.latency), '')")
        if dialect == "sqlite"
        else literal_column("encode(string_agg(rollup.latency, ''::bytea), 'hex')")
    )
    groups = (table.at, *(table[name] for name in grain.by))
    sums = [func.sum(table[name]).label(name) for name in _SUMS]
    mine = [table.project_id == project, table.step == grain.step, table.at >= span[0], table.at < span[1]]
    mine += [table[name] == value for name, value in where.items()]
    return select(*groups, *sums, packed.label("latency")).where(*mine).group_by(*groups).order_by(table.at)


def from_rows(rows: Iterable[Row[Any]], step: int) -> Iterator[Rollup]:
    """Yield the roll-ups of a query's rows; what was taken back entirely is not there."""
    for row in rows:
        values = dict(row._mapping)
        latency = Latency(bytes.fromhex(values.pop("latency") or ""))
        values.update({name: int(values[name]) for name in _SUMS})
        if values["requests"]:
            yield Rollup(step=step, latency=latency, **values)


def _bounded(number: int) -> int:
    """Keep a sum so small that a thousand buckets add up to an integer of the database."""
    return max(-_MOST_SUM, min(_MOST_SUM, number))
