"""A store in memory, for tests of users' own plugins and operations."""

from __future__ import annotations

from headgate.store import Blobs, Records, Secret, Spans, Store


def in_memory_store() -> Store:
    """Return an empty store with its schema in place; `close()` it, or it is gone when the process ends."""
    records = Records("sqlite://")
    records.migrate()
    spans = Spans("sqlite://", writer=True)
    return Store(records, Blobs("memory://"), spans, Secret(b"only for tests, never in use!!!!"))
