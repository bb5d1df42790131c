"""Incidents as people work on them: opened from a trace, listed, closed once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headgate.improve import (
    CloseIncident,
    IncidentQuery,
    IncidentShow,
    OpenFromTrace,
    close,
    list_incidents,
    open_from_trace,
    show,
)
from headgate.kernel import Conflict, NotFound
from headgate.store import Context

Traced = Callable[..., str]


def test_an_incident_is_opened_from_a_trace(ctx: Context, traced: Traced) -> None:
    trace = traced()
    made = open_from_trace(ctx, OpenFromTrace(trace_id=trace[:8], title="wrong number of days"))
    assert (made.source, made.trace_ids, made.title) == ("manual", [trace], "wrong number of days")
    assert show(ctx, IncidentShow(incident_id=made.id)) == made


def test_an_incident_is_closed_once_with_a_note(ctx: Context, traced: Traced) -> None:
    made = open_from_trace(ctx, OpenFromTrace(trace_id=traced(), title="wrong"))
    closed = close(ctx, CloseIncident(incident_id=made.id, note="rolled back"))
    assert (closed.state, closed.detail) == ("closed", {"closed_by": "person_c", "note": "rolled back"})
    assert closed.closed_at is not None
    with pytest.raises(Conflict):
        close(ctx, CloseIncident(incident_id=made.id, note="again"))
    assert show(ctx, IncidentShow(incident_id=made.id)).detail["note"] == "rolled back"


def test_they_are_listed_by_state_and_app(ctx: Context, traced: Traced) -> None:
    first = open_from_trace(ctx, OpenFromTrace(trace_id=traced(), title="first"))
    second = open_from_trace(ctx, OpenFromTrace(trace_id=traced(number=2, app="desk"), title="second"))
    close(ctx, CloseIncident(incident_id=first.id))
    assert [row.id for row in list_incidents(ctx, IncidentQuery()).incidents] == [second.id]
    assert [row.id for row in list_incidents(ctx, IncidentQuery(state="closed")).incidents] == [first.id]
    assert {row.id for row in list_incidents(ctx, IncidentQuery(state="all")).incidents} == {first.id, second.id}
    assert list_incidents(ctx, IncidentQuery(app="support")).incidents == []


def test_no_incident_is_opened_on_a_trace_that_is_not_there(ctx: Context, traced: Traced) -> None:
    with pytest.raises(NotFound):
        open_from_trace(ctx, OpenFromTrace(trace_id=traced(project="other"), title="theirs"))
    with pytest.raises(NotFound):
        close(ctx, CloseIncident(incident_id="inc_none"))
