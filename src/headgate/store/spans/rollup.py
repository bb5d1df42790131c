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
_PLACES = tuple(COLUMNS.index(name) for name in DIMENSIONS)
_PROJECT, _AT, _STATUS, _COST, _LATENCY = (
    COLUMNS.index(name) for name in ("project_id", "at", "status", "cost_nano", "latency_us")
)
_INPUT, _OUTPUT = COLUMNS.index("input_tokens"), COLUMNS.index("output_tokens")
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
        status, numbers = row[_STATUS], self.numbers
        numbers[0] += sign
        numbers[1] += sign * (status == "blocked")
        numbers[2] += sign * (status == "error")
        numbers[3] += sign * row[_COST]
        numbers[4] += sign * row[_INPUT]
        numbers[5] += sign * row[_OUTPUT]
        number = bin_of(row[_LATENCY])
        self.bins[number] = self.bins.get(number, 0) + sign


class Tally:
    """What this process has added to each bucket since it began to remember; used by one thread."""

    def __init__(self, dialect: str) -> None:
        self._insert = Insert(rollup, _KEY, dialect, replace=True)
        self._sums: dict[Key, Sums] = {}
        self._touched: set[Key] = set()
        self._writer = 0
        self.forget()

    def forget(self) -> None:
        """Begin anew under another number: what is on disk of the old one stands as it is."""
        self._sums.clear()
        self._touched.clear()
        self._writer = secrets.randbits(62)

    def add(self, rows: Iterable[Values], sign: int = 1) -> None:
        """Count rows of `request`, or with sign -1 take them back."""
        for row in rows:
            dimensions = (row[_PROJECT], *[row[place] for place in _PLACES])
            at = max(-(2**53), min(2**53, int(row[_AT])))
            for step in STEPS:
                key = (step, at - at % step, *dimensions)
                sums = self._sums.get(key)
                if sums is None:
                    sums = self._sums[key] = Sums()
                sums.add(row, sign)
                self._touched.add(key)

    def write(self, connection: Connection) -> None:
        """Write the buckets touched since the last time. Call `forget` when the transaction does not commit."""
        rows = []
        for key in sorted(self._touched):
            step, at, project, *dimensions = key
            sums = self._sums[key]
            rows.append(
                (project, step, at, *dimensions, self._writer, *map(_bounded, sums.numbers), pack_bins(sums.bins))
            )
        self._insert(connection, rows)
        self._touched.clear()

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
