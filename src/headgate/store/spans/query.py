"""Which requests to find, and how each database finds them in time. Called by `spans`; nothing here opens a database.

SQLite: the index of words and facets yields candidates, newest first; each is compared with the whole question.
PostgreSQL: its own indexes do the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Join, Row, Select, TableClause, column, func, literal_column, select
from sqlalchemy import table as named_table
from sqlalchemy.ext.compiler import compiles

from . import words
from .packing import clean
from .table import MARK, TEXTS, id_from, request, rows
from .word_index import FACETS

_WAITING, _INDEX = named_table("unindexed", column("id")), named_table("words", column("rowid"))
_COLUMNS = ("app", "environment", "release", "route", "status", "source")


@dataclass(frozen=True, slots=True)
class SpanQuery:
    """Which requests to find; times are epoch seconds, `since` is included and `until` is not.

    text: words that all occur in the conversation or answer, whatever their case and accents; "in quotes" side by side.
    attributes: exact values by name; names of text columns (`model`, `label`, `session`, `key_id`, `blocked_by` …) work
    too. payload: whether to bring payloads. before: (at, trace_id) of the last one seen, to go on after it.
    """

    project: str
    app: str | None = None
    environment: str | None = None
    release: str | None = None
    route: str | None = None
    status: str | None = None
    source: str | None = None
    since: float | None = None
    until: float | None = None
    text: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    limit: int = 50
    payload: bool = False
    before: tuple[float, str] | None = None


def find(connection: Connection, query: SpanQuery, columns: Select[Any] | None = None) -> list[Row[Any]]:
    """Return matching rows of `request`, newest first. columns: which of them, with `id`; None for a record's."""
    columns = rows(query.payload) if columns is None else columns
    wanted = list(words.asked(query.text or ""))
    if query.text and not wanted:
        return []  # nothing in it could be found: signs only
    span, exact = _span(connection, query), list(_exact(query))
    conditions = [*matching(query), *_worded(wanted)]
    if connection.dialect.name != "sqlite":
        conditions += _indexed(wanted, query)
    elif wanted or exact:
        match = " AND ".join(f'"{term}"' for term in [*words.terms(wanted), *_facets(query.project, exact)])
        # what waits is read first: a row that is indexed in between is found twice, and never missed
        found = [*connection.execute(_within(columns, _WAITING, query.limit, span).where(*conditions))]
        candidates = _within(columns, _INDEX, query.limit, span).where(literal_column("words.words").op("MATCH")(match))
        found += connection.execute(candidates.where(*conditions))
        both = {row.id: row for row in found}
        return [both[number] for number in sorted(both, reverse=True)[: query.limit]]
    plain = columns.where(*conditions, request.c.id >= span[0], request.c.id < span[1])
    return list(connection.execute(plain.order_by(request.c.id.desc()).limit(query.limit)))


def matching(query: SpanQuery) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a query, but for its words."""
    yield request.c.project_id == query.project
    for name in _COLUMNS:
        value = getattr(query, name)
        if value is not None:
            yield request.c[name] == value
    if query.since is not None:
        yield request.c.at >= query.since
    if query.until is not None:
        yield request.c.at < query.until
    for name, value in query.attributes.items():
        if name in TEXTS:
            yield request.c[name] == value
        else:
            yield request.c.attributes.contains(f"{MARK}{clean(name)}={clean(value)}{MARK}", autoescape=True)


def _span(connection: Connection, query: SpanQuery) -> tuple[int, int]:
    """Return the ids between which the answer lies: from the first to before the second."""
    low = 0 if query.since is None else id_from(query.since)
    high = 2**63 - 1 if query.until is None else id_from(query.until + 0.001)
    if query.before is not None:
        at, trace_id = query.before
        seen = select(request.c.id, request.c.at).where(
            request.c.project_id == query.project, request.c.trace_id == trace_id
        )
        row = connection.execute(seen).first()
        high = min(high, row.id if row is not None and row.at == at else id_from(at))
    return low, high


def _worded(wanted: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    for part in wanted:
        yield request.c.text.contains(part, autoescape=True)


def _exact(query: SpanQuery) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a query that stand in the index."""
    for name in _COLUMNS:
        if value := getattr(query, name):
            yield name, value
    for name, value in query.attributes.items():
        if value and (name in FACETS or name not in TEXTS):
            yield clean(name), clean(value)


def _facets(project: str, exact: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, value in [("project_id", project), *exact]:
        yield words.facet(name, value)


class _Outer(Join):
    """A join whose left side SQLite must walk: its planner would rather read the whole project."""

    inherit_cache = True


@compiles(_Outer, "sqlite")
def _crossed(join: _Outer, compiler: Any, **options: Any) -> str:
    sides = {**options, "asfrom": True}
    left, right = compiler.process(join.left, **sides), compiler.process(join.right, **sides)
    on = compiler.process(join.onclause, **options)
    return f"{left} CROSS JOIN {right} ON {on}"


def _within(columns: Select[Any], ids: TableClause, limit: int, span: tuple[int, int]) -> Select[Any]:
    """Return a query of the newest rows that `ids` names, between two ids."""
    number = next(iter(ids.c))
    found = columns.select_from(_Outer(ids, request, request.c.id == number))
    return found.where(number >= span[0], number < span[1]).order_by(number.desc()).limit(limit)


def attributes(connection: Connection, query: SpanQuery) -> Iterator[tuple[str, str]]:
    """Yield the names and values of the attributes of all matching requests, as text: many times faster than rows."""
    for row in find(connection, query, select(request.c.id, request.c.attributes)):
        for pair in row.attributes.split(MARK):
            name, equals, value = pair.partition("=")
            if equals:
                yield name, value


def _indexed(wanted: Sequence[str], query: SpanQuery) -> Iterator[ColumnElement[bool]]:
    """Yield conditions that say the same once more, in the form that PostgreSQL has indexes for."""
    for part in wanted:
        yield func.to_tsvector("simple", request.c.text).op("@@")(func.phraseto_tsquery("simple", part))
    for name, value in query.attributes.items():
        if name not in TEXTS:
            pair = f"{clean(name)}={clean(value)}"
            yield func.string_to_array(request.c.attributes, MARK).op("@>")(func.string_to_array(pair, MARK))
