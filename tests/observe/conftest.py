"""Requests that were never asked: records in a row, and a context around an empty store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headgate.kernel import Principal, RequestRecord
from headgate.store import Context, Store
from headgate.testing import FakeClock

PROJECT = "acme"
PLAIN: dict[str, Any] = {
    "project": PROJECT, "app": "support", "environment": "prod", "release": "sha256:" + "a" * 64, "source": "live",
    "route": "default", "label": "default", "model": "local/extractive", "status": "answered", "reason": "",
    "latency_us": 300_000, "cost_nano": 1_000_000, "grounding": 0.9,
}  # fmt: skip

Make = Callable[..., RequestRecord]


@pytest.fixture
def make(clock: FakeClock) -> Make:
    """Make a record: `make(7, status="error")` is the seventh request, one second after the sixth."""

    def made(number: int, **changes: Any) -> RequestRecord:
        fields = {**PLAIN, "trace_id": f"{number:08x}{'0' * 24}", "at": clock.now() - 60 + number / 1000, **changes}
        return RequestRecord(**fields)

    return made


@pytest.fixture
def ctx(store: Store, clock: FakeClock) -> Iterator[Context]:
    """A context with an open transaction, in the name of person_a."""
    with store.records.begin() as tx:
        yield Context(tx, Principal("person_a", PROJECT, frozenset({"admin"})), clock, store)
