"""Sketches at rest: one row a model, app, environment, feature and five minutes; added to, merged, thinned out.

Called by the pass that reads requests and by whoever looks at a window. Each bucket also names a few traces for every
part of its feature, so that what moved can be looked at.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import delete, select

from headgate.kernel import Corrupt
from headgate.measure import CategorySketch, NumberSketch, Sketch, category, edges, load_sketch, merge_sketches
from headgate.store import Transaction, tables

from .features import Asked, Feature, Served, columns
from .reference import Reference

WIDTH_S = 300.0
"""How long a bucket is."""
_HOUR_S = 3600.0
_FINE_S = 2 * 86_400.0
_KEPT_S = 35 * 86_400.0
_TRACES = 3
_PARTS = 64
_LOOKED_AT = 1000

Trace = tuple[float, str]


@dataclass(slots=True)
class Bucket:
    """A feature's sketch, and the newest traces of each of its parts: a category, or a tenth of the reference."""

    sketch: Sketch
    traces: dict[str, list[Trace]] = field(default_factory=dict)

    def add(self, feature: Feature, values: Sequence[Any], traces: Sequence[Trace], reference: Sketch) -> None:
        """Add a value a row (for words: any number)."""
        if isinstance(self.sketch, NumberSketch):
            self.sketch.add(values)
        elif feature.sort == "words":
            self.sketch.add([word for row in values for word in row], len(values))
        else:
            self.sketch.add(values)
        inner = edges(reference) if isinstance(reference, NumberSketch) else []
        found: dict[str, list[Trace]] = {}
        for value, trace in zip(reversed(values[-_LOOKED_AT:]), reversed(traces[-_LOOKED_AT:]), strict=False):
            for part in value if feature.sort == "words" else (_part(value, inner, feature.sort),):
                kept = found.setdefault(part, [])
                if len(kept) < _TRACES and trace not in kept:
                    kept.append(trace)
        self._keep(found)

    def merge(self, other: Bucket) -> None:
        merge_sketches(self.sketch, other.sketch)
        self._keep(other.traces)

    def _keep(self, found: Mapping[str, Sequence[Trace]]) -> None:
        """Take traces in: the newest three of a part, of the parts that were seen last."""
        for part, traces in found.items():
            self.traces[part] = sorted({*self.traces.get(part, ()), *traces}, reverse=True)[:_TRACES]
        if len(self.traces) > _PARTS:
            newest = sorted(self.traces, key=lambda part: (self.traces[part][0], part), reverse=True)
            self.traces = {part: self.traces[part] for part in newest[:_PARTS]}

    def dumps(self) -> bytes:
        return msgspec.msgpack.encode((self.sketch.dumps(names=False), self.traces))


def _part(value: Any, inner: Sequence[float], sort: str) -> str:
    if sort == "category":
        return category(value) or ""
    try:
        return str(bisect_left(inner, float(value)))
    except (TypeError, ValueError):
        return ""


Window = dict[str, Bucket]
"""A window of one model in one environment: a bucket a feature."""


def sketched(reference: Reference, group: Asked) -> Window:
    """Return the sketches of a group of rows."""
    found = columns(reference.features, reference.topics, group)
    window: Window = {}
    for feature in reference.features:
        if feature.name in found:
            base = reference.sketches[feature.name]
            window[feature.name] = Bucket(base.empty())
            window[feature.name].add(feature, found[feature.name], group.traces, base)
    return window


def merge(into: Window, other: Mapping[str, Bucket]) -> None:
    for name, bucket in other.items():
        if name in into:
            into[name].merge(bucket)
        else:
            into[name] = bucket


def load(tx: Transaction, project: str, served: Served, reference: Reference, since: float, until: float) -> Window:
    """Return the stored window of one model in one environment; buckets of another reference are left out."""
    table = tables.drift_bucket
    query = select(table).where(*_mine(project, served), table.c.start > since - WIDTH_S, table.c.start < until)
    window: Window = {}
    for row in tx.all(query.order_by(table.c.start)):
        bucket = _read(row["content"], reference, row["feature"])
        if bucket is not None:
            merge(window, {row["feature"]: bucket})
    return window


def served(tx: Transaction, project: str, since: float) -> set[Served]:
    """Return which models have answered where since then, as far as it is sketched."""
    table = tables.drift_bucket
    query = select(table.c.model, table.c.app, table.c.environment).distinct()
    rows = tx.all(query.where(table.c.project_id == project, table.c.start > since - WIDTH_S))
    return {Served(row["model"], row["app"], row["environment"]) for row in rows}


def add(tx: Transaction, project: str, of: Served, start: float, window: Window, reference: Reference) -> None:
    """Merge sketches into what is stored of one bucket of time."""
    table = tables.drift_bucket
    mine = (*_mine(project, of), table.c.start == start)
    stored = {row["feature"]: row["content"] for row in tx.all(select(table).where(*mine))}
    merged: Window = {}
    for name, bucket in window.items():
        before = _read(stored[name], reference, name) if name in stored else None
        merge(merged, {name: before} if before else {})
        merge(merged, {name: bucket})
    if not merged:
        return
    tx.execute(delete(table).where(*mine, table.c.feature.in_(merged)))
    key = {"project_id": project, "model": of.model, "app": of.app, "environment": of.environment, "start": start}
    tx.execute(table.insert(), [{**key, "feature": name, "content": bucket.dumps()} for name, bucket in merged.items()])


def thin(tx: Transaction, project: str, now: float, reference_of: Callable[[str], Reference | None]) -> None:
    """Merge buckets older than two days into hours, and forget those older than 35 days."""
    table = tables.drift_bucket
    tx.execute(delete(table).where(table.c.project_id == project, table.c.start < now - _KEPT_S))
    old = select(table.c.model, table.c.app, table.c.environment, table.c.start).distinct()
    rows = tx.all(
        old.where(
            table.c.project_id == project,
            table.c.start < (now - _FINE_S) // _HOUR_S * _HOUR_S,
            table.c.start != _HOUR_S * (table.c.start / _HOUR_S).cast(_whole()),
        ).limit(200)
    )
    for row in rows:
        of, start = Served(row["model"], row["app"], row["environment"]), row["start"]
        reference = reference_of(of.model)
        mine = (*_mine(project, of), table.c.start == start)
        if reference is not None:
            window = load(tx, project, of, reference, start + WIDTH_S / 2, start + 1)
            add(tx, project, of, start // _HOUR_S * _HOUR_S, window, reference)
        tx.execute(delete(table).where(*mine))


def _whole() -> Any:
    from sqlalchemy import BigInteger

    return BigInteger


def _mine(project: str, of: Served) -> Iterable[Any]:
    table = tables.drift_bucket
    yield table.c.project_id == project
    yield table.c.model == of.model
    yield table.c.app == of.app
    yield table.c.environment == of.environment


def _read(content: bytes, reference: Reference, feature: str) -> Bucket | None:
    """Return a stored bucket, None when it was made for another reference than today's."""
    base = reference.sketches.get(feature)
    if base is None:
        return None
    try:
        sketch, traces = msgspec.msgpack.decode(content)
        known = base.known if isinstance(base, CategorySketch) else None
        found = {part: [(at, trace) for at, trace in kept] for part, kept in traces.items()}
        return Bucket(load_sketch(sketch, known), found)
    except (Corrupt, ValueError, TypeError, msgspec.MsgspecError):
        return None
