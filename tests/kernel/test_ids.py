"""Ids: their shape, that they are unique, and that they sort by time."""

from __future__ import annotations

import re

import pytest

from headgate.kernel import is_id, new_id, new_span_id, new_trace_id


def test_ids_have_a_prefix_and_are_unique() -> None:
    made = {new_id("job") for _ in range(2000)}
    assert len(made) == 2000
    assert all(is_id(name) and name.startswith("job_") for name in made)


@pytest.mark.parametrize(
    "name", ["", "job_", "job_" + "A" * 22, "job_" + "a" * 21, "j_" + "a" * 22, "jobs" + "a" * 22, f"job_{'a' * 22}\n"]
)
def test_other_names_are_none(name: str) -> None:
    assert not is_id(name)


def test_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for second in (1.0, 1_700_000_000.0, 1_700_000_000.001, 1_800_000_000.0, 4_000_000_000.0):
        monkeypatch.setattr("time.time", lambda second=second: second)
        made.append((new_id("inc"), new_trace_id()))
    assert made == sorted(made)


def test_trace_and_span_ids_are_those_of_w3c() -> None:
    assert all(re.fullmatch(r"[0-9a-f]{32}", new_trace_id()) for _ in range(100))
    spans = {new_span_id() for _ in range(1000)}
    assert len(spans) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{16}", span) and int(span, 16) for span in spans)
