"""The pass: requests that were recorded since the last one are read, page by page, and added to the sketches.

Called by the server every minute, off the request path; a look at a window reads what no pass has seen yet and keeps
nothing. A page's sketches and how far reading got are written in one transaction, and only when nobody else has read
that page meanwhile: whatever dies, no request counts twice. Requests are read in the order of their beginning; one
that reaches the store late is still counted while it began within the last ten minutes, or the last 10 000 requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from headgate.kernel import Clock, RequestRecord
from headgate.store import Spans, Store, Transaction, tables

from . import buckets
from .features import Served, asked
from .reference import Reference, References, save

PAGE = 500
"""Requests that are read, sketched and written at once."""
MOST_PAGES = 40
"""Pages of one pass, or of one look."""
_GRACE_S = 600.0
_MOST_SEEN = 10_000
_FIRST_S = 86_400.0
_THIN_S = 3600.0


@dataclass(slots=True)
class Progress:
    """How far reading got: everything up to `number` is done, and of what follows what is in `seen`. turn: of the row.

    Requests are numbered by their beginning (see `Spans.number_at`).
    """

    number: int
    seen: set[int] = field(default_factory=set)
    turn: int = 0
    thinned: float = 0.0

    def forget(self, now: float) -> None:
        """Keep the last ten minutes, or the last 10 000 requests if they are fewer."""
        newest = max(self.seen, default=self.number)
        self.number = max(self.number, min(Spans.number_at(now), newest) - Spans.number_at(_GRACE_S))
        if len(self.seen) > _MOST_SEEN:
            self.number = max(self.number, sorted(self.seen)[-_MOST_SEEN - 1])
        self.seen = {number for number in self.seen if number > self.number}


@dataclass(frozen=True, slots=True)
class Page:
    """Requests that nobody has counted yet, and the models that are watched among them."""

    numbers: list[int]
    records: list[RequestRecord]


def catch_up(store: Store, project: str, clock: Clock) -> int:
    """Add what was recorded since the last pass to the sketches; return how many requests were read.

    Each page has a transaction of its own, so that nobody waits long; at most 20 000 requests a pass.
    """
    count = 0
    with store.records.read() as tx:
        progress = load_progress(tx, project, clock.now())
        references = References(tx, store.blobs, project, {}, {})
    for page in pages(store.spans, project, progress, progress.number):
        with store.records.read() as tx:
            references.tx = tx
            windows = sketch(page.records, references.get)
        with store.records.begin() as tx:
            if not _advance(tx, project, progress, page, clock.now()):
                return count
            for reference in references.found.values():
                save(tx, project, reference, clock.now())
            for (of, start), window in windows.items():
                buckets.add(tx, project, of, start, window, references.found[of.model])
        count += len(page.records)
    if clock.now() - progress.thinned > _THIN_S:
        _thin(store, project, progress, clock.now())
    return count


def unread(
    tx: Transaction, store: Store, project: str, since: float, references: References
) -> dict[tuple[Served, float], buckets.Window]:
    """Return the sketches of requests since a time that no pass has read yet; nothing is written."""
    progress = load_progress(tx, project, since + _FIRST_S)
    found: dict[tuple[Served, float], buckets.Window] = {}
    for page in pages(store.spans, project, progress, max(progress.number, Spans.number_at(since))):
        for key, window in sketch(page.records, references.get).items():
            buckets.merge(found.setdefault(key, {}), window)
    return found


def pages(spans: Spans, project: str, progress: Progress, after: int) -> Iterator[Page]:
    """Yield pages of requests that are not in `progress`, from the oldest; at most `MOST_PAGES`."""
    for _ in range(MOST_PAGES):
        fresh: list[int] = []
        while not fresh:
            read = spans.numbers(project, after, PAGE)
            if not read:
                return
            after = read[-1]
            fresh = [number for number in read if number not in progress.seen]
        yield Page(fresh, spans.numbered(project, fresh))


def sketch(
    records: list[RequestRecord], reference: Callable[[str], Reference | None]
) -> dict[tuple[Served, float], buckets.Window]:
    """Return the sketches of requests by model, app, environment and time bucket."""
    digests = {str(record.attributes.get("model_digest") or "") for record in records} - {""}
    known: Mapping[str, Reference] = {digest: found for digest in sorted(digests) if (found := reference(digest))}
    texts = {digest: found.text for digest, found in known.items()}
    groups = asked(records, texts, buckets.WIDTH_S)
    return {key: buckets.sketched(known[key[0].model], group) for key, group in groups.items()}


def load_progress(tx: Transaction, project: str, now: float) -> Progress:
    """Return how far reading got; the first pass begins a day ago."""
    row = tx.one(_row(project))
    if row is None:
        return Progress(Spans.number_at(now - _FIRST_S))
    return Progress(row["number"], set(msgspec.msgpack.decode(row["seen"])), row["turn"], row["thinned"])


def _row(project: str) -> Any:
    return select(tables.drift_progress).where(tables.drift_progress.c.project_id == project)


def _advance(tx: Transaction, project: str, progress: Progress, page: Page, now: float) -> bool:
    """Write down that a page was read; False when somebody else has read meanwhile. It holds the row to the end."""
    table = tables.drift_progress
    found = tx.one(_row(project).with_for_update())
    if found is None and progress.turn == 0:
        build = postgresql.insert if tx.dialect == "postgresql" else sqlite.insert
        values = {"project_id": project, "number": progress.number, "seen": b"", "turn": 0, "thinned": 0.0}
        found = tx.one(build(table).values(values).on_conflict_do_nothing().returning(table.c.turn))
    if found is None or found["turn"] != progress.turn:
        return False
    progress.seen.update(page.numbers)
    progress.forget(now)
    _write(tx, project, progress)
    return True


def _write(tx: Transaction, project: str, progress: Progress) -> None:
    table = tables.drift_progress
    progress.turn += 1
    seen = msgspec.msgpack.encode(sorted(progress.seen))
    row = {"number": progress.number, "seen": seen, "turn": progress.turn, "thinned": progress.thinned}
    tx.execute(table.update().where(table.c.project_id == project).values(row))


def _thin(store: Store, project: str, progress: Progress, now: float) -> None:
    with store.records.begin() as tx:
        found = tx.one(_row(project).with_for_update())
        if found is None or found["turn"] != progress.turn:
            return
        references = References(tx, store.blobs, project, {}, {})
        buckets.thin(tx, project, now, references.get)
        progress.thinned = now
        _write(tx, project, progress)
