"""A store in memory, for tests of users' own plugins and operations."""

from __future__ import annotations

from headgate.store import Blobs, Records, Secret, Spans, Store


def in_memory_store() -> Store:
    """Return an empty store with its schema in place; it is gone when the process ends."""
    records = Records("sqlite://")
    records.migrate()
    return Store(
        records, Blobs("memory://"), Spans("sqlite://", writer=True), Secret(b"only for tests, never in use!!" * 2)
    )
