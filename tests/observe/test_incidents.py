"""Incidents as rows: the same thing is one incident, traces are kept once and not without bound."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headgate.kernel import NotFound
from headgate.observe import OpenIncident, add_traces, get_incident, open_incident
from headgate.store import Context, Records

FACTS: dict[str, Any] = {
    "app": "support", "environment": "prod", "release": "sha256:0", "title": "It is wrong", "source": "manual",
}  # fmt: skip


def opened(ctx: Context, **changes: Any) -> str:
    return open_incident(ctx.tx, "acme", OpenIncident(**{**FACTS, **changes}), ctx.clock.now())


def test_an_incident_is_read_as_it_was_opened(ctx: Context) -> None:
    found = get_incident(ctx.tx, "acme", opened(ctx, trace_ids=["t1"], detail={"monitor": "cost"}))
    assert {name: getattr(found, name) for name in FACTS} == FACTS
    assert (found.state, found.trace_ids, found.detail) == ("open", ["t1"], {"monitor": "cost"})
    assert (found.opened_at, found.closed_at, found.scenario) == ("2026-01-01T00:00:00.000Z", None, None)


def test_the_same_thing_again_joins_and_adds_its_traces_once(ctx: Context) -> None:
    first = opened(ctx, trace_ids=["t1", "t2"])
    assert opened(ctx, trace_ids=["t2", "t3"], release="sha256:1") == first
    assert get_incident(ctx.tx, "acme", first).trace_ids == ["t1", "t2", "t3"]


@pytest.mark.parametrize("changes", [{"app": "x"}, {"environment": "x"}, {"title": "x"}, {"source": "feedback"}])
def test_something_else_is_another_incident(ctx: Context, changes: dict[str, str]) -> None:
    assert opened(ctx) != opened(ctx, **changes)


@pytest.mark.parametrize("joined", [False, True])
def test_traces_are_kept_up_to_fifty(ctx: Context, joined: bool) -> None:
    many = [f"t{number}" for number in range(80)]
    incident = opened(ctx, trace_ids=[] if joined else many)
    if joined:
        add_traces(ctx.tx, "acme", incident, many)
    assert get_incident(ctx.tx, "acme", incident).trace_ids == many[:50]


def test_an_incident_of_another_project_is_not_there(ctx: Context) -> None:
    incident = opened(ctx)
    with pytest.raises(NotFound):
        get_incident(ctx.tx, "other", incident)
    with pytest.raises(NotFound) as caught:
        add_traces(ctx.tx, "other", incident, ["t"])
    assert "incident list" in caught.value.hint


def test_two_servers_that_see_the_same_thing_open_one_incident(records: Records) -> None:
    incident = OpenIncident(**FACTS)

    def other() -> str:
        with records.begin() as tx:
            return open_incident(tx, "acme", incident, 2.0)

    with ThreadPoolExecutor(1) as threads:
        with records.begin() as tx:
            first = open_incident(tx, "acme", incident, 1.0)
            second = threads.submit(other)
            with pytest.raises(TimeoutError):
                second.result(0.3)
        assert second.result(10) == first
