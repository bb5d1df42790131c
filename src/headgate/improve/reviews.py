"""Questions to a human: held requests, borderline verdicts, labels. `serve` opens held ones through `open_held`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import insert, select, update

from headgate.kernel import Conflict, InvalidInput, NotFound, iso, nearest, new_id
from headgate.store import Context, Transaction, tables

from .labels import UNCLEAR


class ReviewQuery(BaseModel):
    """Which reviews to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    state: Literal["open", "decided", "all"] = Field("open", description="open, decided or all")
    kind: Literal["held", "verdict", "approval", "label"] | None = Field(None, description="only this kind")
    limit: int = Field(50, ge=1, le=1000, description="how many at most")


class ReviewShow(BaseModel):
    """Which review to show."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    review_id: str = Field(description="its id, rev_…")


class DecideReview(BaseModel):
    """A human's decision. A held request is decided by an answer; a label question by a label."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    review_id: str = Field(description="its id, rev_…")
    answer: str | None = Field(None, max_length=20_000, description="the answer the user shall get")
    label: str | None = Field(None, max_length=200, description="the right label, or `unclear`")
    note: str = Field("", max_length=2000, description="why")


class Review(BaseModel):
    """A question to a human, and the decision once there is one."""

    model_config = ConfigDict(frozen=True)
    id: str
    kind: str
    app: str
    trace_id: str
    question: dict[str, Any]
    state: Literal["open", "decided"]
    decision: dict[str, Any] | None
    person: str | None
    created_at: str
    decided_at: str | None


class ReviewAnswer(BaseModel):
    """What the application that was told to wait may read: whether a human has answered, and the answer."""

    model_config = ConfigDict(frozen=True)
    id: str
    state: Literal["open", "decided"]
    answer: str | None


class ReviewList(BaseModel):
    model_config = ConfigDict(frozen=True)
    reviews: list[Review]


class Held(BaseModel):
    """A request that waits for a human; `question` is masked already."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str
    trace_id: str
    question: dict[str, Any]
    subject: str = ""


def open_held(tx: Transaction, project: str, held: Held, now: float) -> str:
    """Store a held request as a question to a human and return the review's id."""
    review_id = new_id("rev")
    row = {"kind": "held", "state": "open", "decision": None, "person": None, "created_at": now, "decided_at": None}
    tx.execute(insert(tables.review).values(project_id=project, id=review_id, **row, **held.model_dump()))
    return review_id


def list_reviews(ctx: Context, request: ReviewQuery) -> ReviewList:
    """List reviews, oldest first: the queue's order."""
    table = tables.review
    query = select(table).where(table.c.project_id == ctx.principal.project).order_by(table.c.created_at)
    if request.state != "all":
        query = query.where(table.c.state == request.state)
    if request.kind:
        query = query.where(table.c.kind == request.kind)
    return ReviewList(reviews=[_review(row) for row in ctx.tx.all(query.limit(request.limit))])


def show_review(ctx: Context, request: ReviewShow) -> Review:
    """Show one review; a held request's answer stands in its decision."""
    return _get(ctx, request.review_id)


def answer_of(ctx: Context, request: ReviewShow) -> ReviewAnswer:
    """Fetch the answer to a held request by the id that `x-headgate-review` carried."""
    review = _get(ctx, request.review_id)
    if review.kind != "held":
        raise NotFound(f"there is no held request {request.review_id}", "its id came in x-headgate-review")
    return ReviewAnswer(id=review.id, state=review.state, answer=(review.decision or {}).get("answer"))


def decide(ctx: Context, request: DecideReview) -> Review:
    """Decide a review. Raises Conflict when somebody decided it first, InvalidInput when the decision is empty."""
    review = _get(ctx, request.review_id)
    if review.kind == "held" and not request.answer:
        raise InvalidInput("a held request is decided by an answer", "give --answer 'what the user shall read'")
    if review.kind != "held" and not (request.answer or request.label):
        raise InvalidInput("the decision is empty", "give --label or --answer")
    _check_label(review, request.label)
    table = tables.review
    changed = ctx.tx.execute(
        update(table)
        .where(table.c.project_id == ctx.principal.project, table.c.id == review.id, table.c.state == "open")
        .values(
            state="decided",
            decision=request.model_dump(exclude={"review_id"}, exclude_none=True),
            person=ctx.principal.person,
            decided_at=ctx.clock.now(),
        )
    )
    if changed.rowcount != 1:
        raise Conflict(f"{review.id} was decided by {review.person} at {review.decided_at}", "show it to see how")
    return _get(ctx, review.id)


def _check_label(review: Review, label: str | None) -> None:
    """Raise InvalidInput, naming the nearest, for a label that the dataset does not allow."""
    valid = review.question.get("labels") or []
    if review.kind != "label" or not valid or label in (*valid, UNCLEAR):
        return
    if label is None:
        raise InvalidInput("a label question is decided by a label", f"one of {', '.join(valid)}, or {UNCLEAR}")
    raise InvalidInput(f"there is no label {label!r}", nearest(label, [*valid, UNCLEAR]))


def _get(ctx: Context, review_id: str) -> Review:
    table = tables.review
    row = ctx.tx.one(select(table).where(table.c.project_id == ctx.principal.project, table.c.id == review_id))
    if row is None:
        raise NotFound(f"there is no review {review_id}", "list them with headgate review list")
    return _review(row)


def _review(row: Any) -> Review:
    fields = {name: row[name] for name in Review.model_fields}
    decided = row["decided_at"]
    return Review(**{**fields, "created_at": iso(row["created_at"]), "decided_at": iso(decided) if decided else None})
