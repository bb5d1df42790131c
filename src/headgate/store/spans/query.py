"""Which requests to find, and the conditions that say so in SQL. Called by `spans`; nothing here opens a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement

from .packing import clean
from .table import MARK, TEXTS, request


@dataclass(frozen=True, slots=True)
class SpanQuery:
    """Which requests to find; times are epoch seconds, `since` is included and `until` is not.

    text: found anywhere in the conversation or answer, whatever its case. attributes: exact values by name; names of
    text columns (`model`, `label`, `session`, `key_id`, `blocked_by` …) work too. payload: whether to bring payloads.
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


def matching(query: SpanQuery) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a query."""
    yield request.c.project_id == query.project
    for name in ("app", "environment", "release", "route", "status", "source"):
        value = getattr(query, name)
        if value is not None:
            yield request.c[name] == value
    if query.since is not None:
        yield request.c.at >= query.since
    if query.until is not None:
        yield request.c.at < query.until
    if query.text:
        yield request.c.text.contains(clean(query.text).casefold(), autoescape=True)
    for name, value in query.attributes.items():
        if name in TEXTS:
            yield request.c[name] == value
        else:
            yield request.c.attributes.contains(f"{MARK}{clean(name)}={clean(value)}{MARK}", autoescape=True)
