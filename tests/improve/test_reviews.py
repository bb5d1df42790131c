"""Questions to a human: a queue, decided once, by the right sort of decision."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from headgate.improve import (
    DecideReview,
    Held,
    ReviewQuery,
    ReviewShow,
    answer_of,
    decide,
    list_reviews,
    open_held,
    show_review,
)
from headgate.kernel import Conflict, InvalidInput, NotFound
from headgate.store import Context, tables


def held(ctx: Context, at: float = 1.0, project: str = "acme-support") -> str:
    question = {"messages": [{"role": "user", "content": "Help"}], "reply": "A person will answer."}
    return open_held(ctx.tx, project, Held(app="support", trace_id="t1", question=question, subject="s"), at)


def labelled(ctx: Context) -> str:
    row = {
        "project_id": "acme-support", "id": "rev_label", "kind": "label", "app": "support", "trace_id": "t2",
        "question": {"text": "Which?"}, "state": "open", "created_at": 0.5,
    }  # fmt: skip
    ctx.tx.execute(insert(tables.review).values(**row))
    return "rev_label"


def test_a_held_request_is_decided_by_an_answer(ctx: Context) -> None:
    review = held(ctx)
    decided = decide(ctx, DecideReview(review_id=review, answer="You may.", note="checked"))
    assert (decided.state, decided.person) == ("decided", "person_c")
    assert decided.decision == {"answer": "You may.", "note": "checked"}
    assert show_review(ctx, ReviewShow(review_id=review)) == decided


def test_the_application_fetches_the_answer_and_nothing_else(ctx: Context) -> None:
    review = held(ctx)
    asked = ReviewShow(review_id=review)
    assert answer_of(ctx, asked).model_dump() == {"id": review, "state": "open", "answer": None}
    decide(ctx, DecideReview(review_id=review, answer="You may.", note="between us"))
    assert answer_of(ctx, asked).model_dump() == {"id": review, "state": "decided", "answer": "You may."}


def test_only_the_answer_to_a_held_request_of_the_project_is_fetched(ctx: Context) -> None:
    for review in (labelled(ctx), held(ctx, project="other"), "rev_none"):
        with pytest.raises(NotFound):
            answer_of(ctx, ReviewShow(review_id=review))


@pytest.mark.parametrize("said", [{}, {"label": "high_risk"}, {"answer": ""}, {"note": "later"}])
def test_a_held_request_needs_an_answer(ctx: Context, said: dict[str, Any]) -> None:
    review = held(ctx)
    with pytest.raises(InvalidInput, match="answer"):
        decide(ctx, DecideReview(review_id=review, **said))
    assert show_review(ctx, ReviewShow(review_id=review)).state == "open"


def test_another_question_needs_a_label_or_an_answer(ctx: Context) -> None:
    review = labelled(ctx)
    with pytest.raises(InvalidInput, match="empty"):
        decide(ctx, DecideReview(review_id=review))
    assert decide(ctx, DecideReview(review_id=review, label="billing")).decision == {"label": "billing", "note": ""}


def test_who_comes_second_gets_a_conflict_and_changes_nothing(ctx: Context) -> None:
    review = held(ctx)
    first = decide(ctx, DecideReview(review_id=review, answer="Yes"))
    with pytest.raises(Conflict, match="person_c"):
        decide(ctx, DecideReview(review_id=review, answer="No"))
    assert show_review(ctx, ReviewShow(review_id=review)) == first


def test_the_queue_is_oldest_first_and_filtered(ctx: Context) -> None:
    late, early = held(ctx, 9.0), held(ctx, 2.0)
    label = labelled(ctx)
    decide(ctx, DecideReview(review_id=late, answer="Yes"))
    assert [row.id for row in list_reviews(ctx, ReviewQuery()).reviews] == [label, early]
    assert [row.id for row in list_reviews(ctx, ReviewQuery(state="all")).reviews] == [label, early, late]
    assert [row.id for row in list_reviews(ctx, ReviewQuery(kind="held")).reviews] == [early]
    assert [row.id for row in list_reviews(ctx, ReviewQuery(state="decided")).reviews] == [late]
    assert len(list_reviews(ctx, ReviewQuery(state="all", limit=2)).reviews) == 2


def test_a_review_of_another_project_is_not_there(ctx: Context) -> None:
    foreign = held(ctx, project="other")
    assert list_reviews(ctx, ReviewQuery(state="all")).reviews == []
    with pytest.raises(NotFound):
        show_review(ctx, ReviewShow(review_id=foreign))
    with pytest.raises(NotFound):
        decide(ctx, DecideReview(review_id=foreign, answer="Yes"))
