"""Feedback: kept as it was given, tied to its trace; a thumb down with a correction becomes an incident, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from headgate.improve import Feedback, FeedbackQuery, IncidentQuery, add_feedback, list_feedback, list_incidents
from headgate.kernel import InvalidInput, NotFound
from headgate.store import Context, tables

Traced = Callable[..., str]


def test_a_correction_opens_an_incident_that_says_where_it_happened(ctx: Context, traced: Traced) -> None:
    trace = traced()
    given = add_feedback(ctx, Feedback(trace_id=trace, rating="down", correction="It is 10 days."))
    [incident] = list_incidents(ctx, IncidentQuery()).incidents
    assert incident.id == given.incident_id
    assert (incident.source, incident.state, incident.trace_ids) == ("feedback", "open", [trace])
    assert (incident.app, incident.environment, incident.release) == ("support", "prod", "sha256:" + "a" * 64)
    assert incident.detail == {"feedback": given.id}


def test_the_same_answer_corrected_twice_is_one_incident(ctx: Context, traced: Traced) -> None:
    asked = Feedback(trace_id=traced(), rating="down", correction="It is 10 days.")
    first, second = add_feedback(ctx, asked), add_feedback(ctx, asked)
    assert first.incident_id == second.incident_id
    assert first.id != second.id
    assert len(list_incidents(ctx, IncidentQuery(state="all")).incidents) == 1


def test_two_answers_corrected_are_two_incidents(ctx: Context, traced: Traced) -> None:
    for number in (1, 2):
        add_feedback(ctx, Feedback(trace_id=traced(number=number), rating="down", correction="10 days"))
    assert len(list_incidents(ctx, IncidentQuery()).incidents) == 2


@pytest.mark.parametrize(
    "said",
    [{"rating": "up"}, {"rating": "down"}, {"correction": "10 days"}, {"rating": "up", "correction": "x"},
     {"rating": "down", "comment": "bad"}],
)  # fmt: skip
def test_anything_less_opens_nothing_and_is_kept(ctx: Context, traced: Traced, said: dict[str, Any]) -> None:
    given = add_feedback(ctx, Feedback(trace_id=traced(), **said))
    assert given.incident_id is None
    assert list_incidents(ctx, IncidentQuery(state="all")).incidents == []
    row = ctx.tx.one(select(tables.feedback))
    assert row is not None
    assert row["rating"] == {"up": 1, "down": -1, None: None}[said.get("rating")]
    assert (row["correction"], row["comment"]) == (said.get("correction"), said.get("comment"))
    assert (row["person"], row["subject"]) == ("person_c", "subject-1")


def test_a_trace_may_be_named_by_its_beginning(ctx: Context, traced: Traced) -> None:
    trace = traced()
    assert add_feedback(ctx, Feedback(trace_id=trace[:12], rating="up")).trace_id == trace


@pytest.mark.parametrize("said", [{}, {"correction": ""}, {"comment": "", "correction": ""}])
def test_feedback_that_says_nothing_is_refused(ctx: Context, traced: Traced, said: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        add_feedback(ctx, Feedback(trace_id=traced(), **said))


def test_feedback_on_no_trace_or_a_foreign_one_is_refused(ctx: Context, traced: Traced) -> None:
    foreign = traced(project="other")
    for trace in (foreign, "f" * 32):
        with pytest.raises(NotFound):
            add_feedback(ctx, Feedback(trace_id=trace, rating="up"))
    assert ctx.tx.all(select(tables.feedback)) == []


def test_what_was_said_is_listed_newest_first_and_by_trace(world: Any, ctx: Context, traced: Traced) -> None:
    first, second = traced(number=1), traced(number=2)
    add_feedback(ctx, Feedback(trace_id=first, rating="down", correction="It is 10 days."))
    world.clock.at += 1
    add_feedback(ctx, Feedback(trace_id=second, rating="up"))
    world.clock.at += 1
    add_feedback(ctx, Feedback(trace_id=first, comment="again"))
    everything = list_feedback(ctx, FeedbackQuery()).feedback
    assert [(item.trace_id, item.rating) for item in everything] == [(first, None), (second, "up"), (first, "down")]
    of_first = list_feedback(ctx, FeedbackQuery(trace_id=first)).feedback
    assert [(item.comment, item.correction, item.person) for item in of_first] == [
        ("again", None, "person_c"), (None, "It is 10 days.", "person_c")
    ]  # fmt: skip
    assert len(list_feedback(ctx, FeedbackQuery(limit=1)).feedback) == 1
