"""The collector after start-up: it leaves alone what start-up made, and cycles stay bounded (P14)."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from headgate.http.server.garbage import YOUNG, settle


class Ring:
    """An object that only the collector frees."""

    living = 0

    def __init__(self) -> None:
        Ring.living += 1
        self.ring = self

    def __del__(self) -> None:
        Ring.living -= 1


@pytest.fixture
def settled() -> Iterator[list[str]]:
    """A process that has started, and afterwards as it was; the list tells of collections."""
    before, seen = gc.get_threshold(), list[str]()

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            seen.append(f"generation {info['generation']}")

    settle()
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_start_up_made_is_not_looked_at_again(settled: list[str]) -> None:
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 5_000


def test_requests_that_leave_nothing_wake_nobody(settled: list[str]) -> None:
    for _ in range(20 * YOUNG):
        [{}]  # noqa: B018
    assert settled == []


def test_cycles_stay_bounded(settled: list[str]) -> None:
    most = 0
    for _ in range(10 * YOUNG):
        Ring()
        most = max(most, Ring.living)
    assert "generation 0" in settled
    assert most <= YOUNG + 1
